// Draw every chart of the page from the JSON beside it; a chart that fails says so and leaves its table.
(function () {
  "use strict";
  const read = function (name) { return JSON.parse(document.getElementById(name).textContent); };
  const draw = async function (place) {
    const options = { config: read("chart-config"), actions: false, renderer: "svg", loader: { http: {} } };
    await window.vegaEmbed(place, read(place.dataset.chart), options);
  };
  document.querySelectorAll("[data-chart]").forEach(function (place) {
    draw(place).catch(function (error) {
      place.removeAttribute("role");
      place.textContent = "This chart cannot be drawn here (" + error.message + "). Its numbers are in the table below.";
    });
  });
})();
