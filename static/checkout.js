/* The checkout's form. Whatever changes the sum asks for a new one, and only the lines of the sum
   are replaced: what somebody types, ticks or presses meanwhile stays under their hand. An order
   waits for the last sum, and is sent only if it is the one that the box was ticked for. */

(() => {
  "use strict";

  let reckoning = null; // the request for a new sum
  let ordering = null; // the request that orders
  let isOrderWaiting = false; // somebody has pressed the button while a sum was on its way
  let isPressed = false; // between a press and the click that it becomes
  let late = null; // a sum that came in between
  let digest = ""; // of the sum that stood there before the one that comes
  let sent = new Map(); // what stood in the fields when the order was sent

  const PRESS_ENDS_MS = 50; // after a touch, the click comes a little later
  const ANSWERED_BY_SCRIPT = new Set(["seen", "consent", "csrfmiddlewaretoken"]);
  const form = () => document.getElementById("order");
  const seen = () => form().querySelector("[name=seen]").value;
  const consent = () => document.getElementById("consent");
  const orderButton = () => form().querySelector("button[value=order]");
  const fieldsOf = (element) => new Map(new FormData(element));

  const isOfForm = ({ detail }) =>
    Boolean(form()) && (detail.requestConfig || detail).elt === form();
  const isOrder = (event) =>
    event.type === "submit" && event.submitter && event.submitter.value === "order";

  function showWork() {
    const said = document.getElementById("working");
    if (!form() || !said) return;
    let work = "";
    if (ordering) work = said.dataset.ordering;
    else if (reckoning || late !== null) work = said.dataset.reckoning;
    if (said.textContent !== work) said.textContent = work;
    orderButton().toggleAttribute("data-working", Boolean(ordering) || isOrderWaiting);
  }

  function finishReckoning() {
    reckoning = null;
    if (!form()) return;
    const isOther = seen() !== digest;
    const isWithdrawn = isOther && consent().checked;
    if (isWithdrawn) {
      consent().checked = false;
      document.getElementById("changed").hidden = false;
    }
    const isSent = isOrderWaiting;
    isOrderWaiting = false;
    showWork();
    if (!isSent) return;
    if (isWithdrawn) consent().focus();
    else orderButton().click();
  }

  function releasePress() {
    isPressed = false;
    if (late === null) return;
    const answer = late;
    late = null;
    htmx.swap("#sum", answer, { swapStyle: "innerHTML" });
    finishReckoning();
  }

  document.addEventListener("pointerdown", () => { isPressed = true; }, true);
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => setTimeout(releasePress, PRESS_ENDS_MS), true);
  }

  document.addEventListener("change", (event) => {
    if (event.target.id === "consent") document.getElementById("changed").hidden = true;
  });

  document.addEventListener("htmx:confirm", (event) => {
    if (!isOfForm(event)) return;
    const isLate = ordering !== null; // what is being ordered is ordered
    const isEarly = isOrder(event.detail.triggeringEvent) && (reckoning || late !== null);
    if (!isLate && !isEarly) return;
    event.preventDefault();
    if (isEarly) isOrderWaiting = true;
    showWork();
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!isOfForm(event)) return;
    late = null;
    if (isOrder(event.detail.requestConfig.triggeringEvent)) {
      ordering = event.detail.xhr;
      sent = fieldsOf(form());
    } else {
      reckoning = event.detail.xhr;
    }
    showWork();
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isOfForm(event)) return;
    if (event.detail.xhr === ordering) {
      keepTyped(fieldsOf(form()));
      return;
    }
    digest = seen();
    if (isPressed && event.detail.target.id === "sum") {
      event.detail.shouldSwap = false;
      late = event.detail.serverResponse;
    }
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const { xhr, successful } = event.detail;
    if (xhr === ordering) {
      // Whoever is on the way to the next page has ordered.
      if (!xhr.getResponseHeader("HX-Redirect")) ordering = null;
      showWork();
    } else if (xhr === reckoning) {
      if (late !== null) reckoning = null;
      else if (successful) finishReckoning();
      else {
        reckoning = null;
        isOrderWaiting = false;
        showWork();
      }
    }
  });

  // A form that was refused comes back as it was sent; what was typed since then is put into it.
  function keepTyped(typed) {
    const later = [...typed].filter(
      ([name, value]) => !ANSWERED_BY_SCRIPT.has(name) && sent.get(name) !== value,
    );
    if (!later.length) return;
    document.addEventListener("htmx:afterSettle", () => {
      for (const [name, value] of later) {
        const field = form() && form().elements.namedItem(name);
        if (!field || field.value === value) continue;
        field.value = value;
        field.dispatchEvent(new Event("change", { bubbles: true }));
      }
    }, { once: true });
  }

  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    reckoning = ordering = late = null;
    isOrderWaiting = false;
    showWork();
  });
})();
