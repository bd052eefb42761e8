/* The checkout's form. Whatever changes the sum asks for a new one, and only the lines of the sum
   are replaced: what somebody types, ticks or presses meanwhile stays under their hand. An order
   waits for the last sum, and is sent only if it is the one that the box was ticked for. */

(() => {
  "use strict";

  let reckoning = null; // the request for a new sum
  let ordering = null; // the request that orders
  let isOrderWaiting = false; // somebody has pressed the button while a sum was on its way
  let isHeld = false; // a sum has come that is shown when the button is let go
  let digest = ""; // of the sum that stood there before the one that comes
  let sent = new Map(); // what stood in the fields when the order was sent

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
    else if (reckoning) work = said.dataset.reckoning;
    if (said.textContent !== work) said.textContent = work;
    orderButton().toggleAttribute("data-working", Boolean(ordering) || isOrderWaiting);
  }

  function finishReckoning(xhr) {
    if (xhr !== reckoning) return; // another one is on its way
    reckoning = null;
    isHeld = false;
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

  document.addEventListener("change", (event) => {
    if (event.target.id === "consent") document.getElementById("changed").hidden = true;
  });

  // Another language is another page, with all that was typed in it: the browser goes there.
  document.addEventListener("submit", (event) => {
    const isLanguage = event.submitter && event.submitter.name === "language";
    if (isLanguage && navigator.onLine) event.stopImmediatePropagation();
  }, true);

  document.addEventListener("htmx:confirm", (event) => {
    if (!isOfForm(event)) return;
    const isLate = ordering !== null; // what is being ordered is ordered
    const isEarly = isOrder(event.detail.triggeringEvent) && reckoning !== null;
    if (!isLate && !isEarly) return;
    event.preventDefault();
    if (isEarly) isOrderWaiting = true;
    showWork();
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!isOfForm(event)) return;
    if (isOrder(event.detail.requestConfig.triggeringEvent)) {
      ordering = event.detail.xhr;
      sent = fieldsOf(form());
    } else {
      isHeld = false;
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
    const { xhr } = event.detail;
    isHeld = kvitt.holdWhilePressed(event, () => finishReckoning(xhr));
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const { xhr, successful } = event.detail;
    if (xhr === ordering) {
      // Whoever is on the way to the next page has ordered.
      if (!xhr.getResponseHeader("HX-Redirect")) ordering = null;
      showWork();
    } else if (xhr === reckoning) {
      if (isHeld) return;
      if (successful) finishReckoning(xhr);
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
    reckoning = ordering = null;
    isHeld = isOrderWaiting = false;
    showWork();
  });
})();
