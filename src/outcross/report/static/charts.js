// Draw every chart of the page from the JSON beside it; a chart that fails leaves its table.
(function () {
  "use strict";
  const config = JSON.parse(document.getElementById("chart-config").textContent);
  const options = { config: config, actions: false, renderer: "svg", loader: { http: {} } };
  document.querySelectorAll("[data-chart]").forEach(function (place) {
    const spec = JSON.parse(document.getElementById(place.dataset.chart).textContent);
    window.vegaEmbed(place, spec, options).catch(function (error) {
      place.textContent = "This chart cannot be drawn here (" + error.message + "). Its numbers are in the table below.";
    });
  });
})();
