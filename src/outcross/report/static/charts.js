// Draw every chart of the page from the JSON beside it; a chart that fails says so and leaves its table.
(function () {
  "use strict";
  const read = function (name) { return JSON.parse(document.getElementById(name).textContent); };
  const draw = async function (place) {
    const options = { config: read("chart-config"), actions: false, renderer: "svg", loader: { http: {} } };
    const inner = document.createElement("div"); // Vega sets a role and a label of its own where it draws
    inner.style.width = "100%";
    place.append(inner);
    await window.vegaEmbed(inner, read(place.dataset.chart), options);
  };
  document.querySelectorAll("[data-chart]").forEach(function (place) {
    draw(place).catch(function (error) {
      place.removeAttribute("role");
      place.textContent = "This chart cannot be drawn here (" + error.message + "). Its numbers are in the table below.";
    });
  });
})();
