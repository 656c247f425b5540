// Pages say everything without this. It only puts instants into the reader's own zone.
"use strict";
for (const time of document.querySelectorAll("time[data-at]")) {
  const at = new Date(time.dateTime);
  const full = at.toLocaleString(undefined, { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
  const there = time.title;
  time.title = full + " in your zone; " + there;
  if (time.dataset.at === "exact") {
    time.textContent = at.toLocaleString(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  }
}
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
for (const place of document.querySelectorAll("[data-zone]")) {
  place.textContent = "your zone (" + zone + ")";
}
