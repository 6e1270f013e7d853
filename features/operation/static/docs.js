"use strict";
// Starts Swagger UI. What /auth/login and /auth/refresh answer on this page signs the page in.
window.addEventListener("load", () => {
  const scheme = (ui) => ui.specSelectors.specJson().getIn(["components", "securitySchemes", "accessToken"]);

  const signIn = (response) => {
    if (response.ok && /\/auth\/(login|refresh)$/.test(new URL(response.url, location.href).pathname)) {
      const token = (response.body || JSON.parse(response.text || "{}")).access_token;
      const ui = window.ui.getSystem();
      if (token) {
        ui.authActions.authorizeWithPersistOption({
          accessToken: { name: "accessToken", schema: scheme(ui), value: token },
        });
      }
    }
    return response;
  };

  window.ui = SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    filter: true,
    persistAuthorization: true,
    validatorUrl: null,
    responseInterceptor: signIn,
  });
});
