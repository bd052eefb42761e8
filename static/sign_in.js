// Beside allauth's scripts: offers passkeys where the browser knows them, and says what went wrong.

const sentences = {
  InvalidStateError: "This device or key is set up already.",
  NotAllowedError: "That was interrupted or took too long. Try again, or use another way.",
  SecurityError:
    "Passkeys need a host name and a safe connection: open Kvitt by its name and HTTPS, or as localhost.",
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
    place.textContent =
      sentences[event.detail.exception.name] || "The passkey could not be used. Try another way.";
    place.hidden = false;
  }
});
