// Start Swagger UI with the document of this server. Nothing is sent to other servers.
(() => {
  const element = document.getElementById("swagger-ui");
  window.SwaggerUIBundle({
    url: element.dataset.document,
    domNode: element,
    validatorUrl: null,
    deepLinking: true,
    docExpansion: "none",
    persistAuthorization: false,
    tryItOutEnabled: true,
    presets: [window.SwaggerUIBundle.presets.apis],
  });
})();
