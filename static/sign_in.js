// Beside allauth's scripts: offers passkeys where the browser knows them, and says what went wrong.

// What is said, in the page's language, stands with the tag that loads this file.
const said = document.currentScript.dataset;
const sentences = {
  InvalidStateError: said.isKnown,
  NotAllowedError: said.interrupted,
  SecurityError: said.unsafe,
};

if (window.PublicKeyCredential) {
  for (const place of document.querySelectorAll("[data-passkeys]")) {
    place.hidden = false;
  }
}

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const place = document.querySelector("[data-passkey-problem]");
  if (place) {
    place.textContent = sentences[event.detail.exception.name] || said.failed;
    place.hidden = false;
  }
});
