"use strict";

/* Puts the page together out of the data that lies beside the scripts. */

function main() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const view = new View();
  const sections = [
    picturesSection(data, view),
    evaluationsSection(data, view),
    curvesSection(data, view),
    incidentsSection(data, view),
    settingsSection("config", "Config", data.config, data, view),
    settingsSection("environment", "Environment", data.environment, data, view),
    sourcesSection(data),
  ];
  const top = head(data);
  top.append(contentsList(sections));
  document.getElementById("report").replaceChildren(top, toolbar(data, view), ...sections);
}

main();
