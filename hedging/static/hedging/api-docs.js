// Draws the OpenAPI document that the page names.
SwaggerUIBundle({
  dom_id: "#api",
  url: document.getElementById("api").dataset.document,
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
