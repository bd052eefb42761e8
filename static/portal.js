/* What every page of customers does by script: what somebody has under their hand stays there. */

const kvitt = (() => {
  "use strict";

  const PRESS_ENDS_MS = 50; // after a touch, the click comes a little later
  let isDown = false;
  let held = [];

  function release() {
    isDown = false;
    const due = held;
    held = [];
    for (const act of due) act();
  }

  document.addEventListener("pointerdown", () => { isDown = true; }, true);
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => setTimeout(release, PRESS_ENDS_MS), true);
  }

  // A button that moves or is replaced between a press and its end hears of no click. So what
  // comes in between is shown afterwards; `shown` is called then. Answers whether it is held.
  function holdWhilePressed(event, shown = () => {}) {
    const { detail } = event;
    if (!isDown || detail.target.id === "main") return false;
    const { target, requestConfig, serverResponse } = detail;
    const asked = (name) => requestConfig.elt.getAttribute(name) || undefined;
    const swapStyle = asked("hx-swap") || "innerHTML";
    // Whoever hears of the swap later hears of the same request and the same place.
    const options = {
      select: asked("hx-select"),
      selectOOB: asked("hx-select-oob"),
      eventInfo: detail,
    };
    detail.shouldSwap = false;
    held = held.filter((act) => act.target !== target.id);
    const act = () => {
      htmx.swap(`#${target.id}`, serverResponse, { swapStyle }, options);
      shown();
    };
    held.push(Object.assign(act, { target: target.id }));
    return true;
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id === "outcome") holdWhilePressed(event);
  });

  // The fields of a plan are replaced with the plan. Where it is the same, somebody may be typing
  // in them: only what is said of them is.
  const labels = (element) =>
    [...element.querySelectorAll("label")].map((label) => label.textContent.trim()).join("\n");

  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    const { target, fragment } = detail;
    if (target.id !== "counted" || labels(target) !== labels(fragment)) return;
    detail.shouldSwap = false;
    for (const field of target.querySelectorAll("input")) {
      const sent = fragment.querySelector(`[name="${field.name}"]`);
      for (const name of ["aria-invalid", "aria-describedby"]) {
        if (sent.hasAttribute(name)) field.setAttribute(name, sent.getAttribute(name));
        else field.removeAttribute(name);
      }
      const wrong = (input) => input.closest(".field").querySelector(".wrong");
      if (wrong(field)) wrong(field).remove();
      if (wrong(sent)) field.closest(".field").append(wrong(sent));
    }
  });

  // What goes wrong on the way is said in the page, where everything typed still stands.
  function sayTrouble(kind) {
    const place = document.getElementById("trouble");
    place.textContent = kind ? place.dataset[kind] : "";
    place.hidden = !kind;
  }

  document.addEventListener("htmx:beforeRequest", () => sayTrouble(""));
  document.addEventListener("htmx:sendError", () => sayTrouble("away"));
  document.addEventListener("htmx:timeout", () => sayTrouble("away"));
  document.addEventListener("htmx:responseError", ({ detail }) =>
    sayTrouble(
      detail.xhr.status === 403 ? "refused" : detail.xhr.status < 500 ? "over" : "failed",
    ),
  );
  // A form that the browser sends by itself would leave the page for the browser's own words.
  document.addEventListener("submit", (event) => {
    if (navigator.onLine || event.defaultPrevented) return;
    event.preventDefault();
    sayTrouble("away");
  });

  // Who hears the page is told that it works.
  function sayBusy(isBusy) {
    const place = document.getElementById("busy");
    place.textContent = isBusy ? place.dataset.busy : "";
  }

  const isSent = ({ detail }) => detail.requestConfig.verb === "post" && detail.elt.id !== "order";
  document.addEventListener("htmx:beforeRequest", (event) => sayBusy(isSent(event)));
  document.addEventListener("htmx:afterRequest", () => sayBusy(false));

  // What is said of a field by itself makes it a refused one, or one no longer.
  function markRefused() {
    for (const said of document.querySelectorAll("[id$='_said']")) {
      const field = document.querySelector(`[aria-describedby~="${said.id}"]`);
      if (!field) continue;
      if (said.querySelector(".wrong")) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  }

  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    markRefused();
    // Another page has come in place of this one: nobody is left at its end.
    const isAnother = detail.target.id === "main" && document.activeElement === document.body;
    if (isAnother) document.getElementById("main").focus();
  });

  return { holdWhilePressed };
})();
