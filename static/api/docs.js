// Shows the document in Swagger UI, with nothing asked of any other site.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const wear = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", wear);
wear();
const place = document.getElementById("docs");
window.SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  displayOperationId: false,
  defaultModelsExpandDepth: -1,
  docExpansion: "list",
  tryItOutEnabled: false,
  persistAuthorization: false,
  validatorUrl: null,
});
