// The two switches of a page: dark or light, live or still. Loaded before anything is painted; needs no library.
"use strict";
(function () {
  const THEME = "console-theme";
  const root = document.documentElement;

  function stored() {
    try {
      return window.localStorage.getItem(THEME);
    } catch {
      return null; // storage is switched off: the system's choice counts
    }
  }

  function shown() {
    if (root.dataset.theme) return root.dataset.theme;
    return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  const chosen = stored();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  document.addEventListener("DOMContentLoaded", function () {
    const theme = document.getElementById("theme-switch");
    const live = document.getElementById("live-switch");
    if (!theme || !live) return;
    const word = document.getElementById("live-word");
    let wanted = true;
    let connected = true;

    function tell() {
      theme.textContent = shown() === "dark" ? "Light" : "Dark";
      live.setAttribute("aria-pressed", String(wanted));
      live.dataset.state = !wanted ? "paused" : connected ? "live" : "lost";
      word.textContent = !wanted ? "Paused" : connected ? "Live" : "Not live";
    }

    theme.addEventListener("click", function () {
      root.dataset.theme = shown() === "dark" ? "light" : "dark";
      try {
        window.localStorage.setItem(THEME, root.dataset.theme);
      } catch {
        // it counts for this page only
      }
      tell();
    });
    live.addEventListener("click", function () {
      wanted = !wanted;
      tell();
    });

    // Nothing is swapped while the page is paused, or under somebody who fills in a form of it.
    function busy() {
      const active = document.activeElement;
      return Boolean(active && active.closest("#page form"));
    }
    document.body.addEventListener("htmx:sseBeforeMessage", function (event) {
      if (!wanted) event.preventDefault();
    });
    document.body.addEventListener("htmx:beforeRequest", function (event) {
      if (event.target.id === "live" && (!wanted || busy() || document.hidden)) event.preventDefault();
    });
    document.body.addEventListener("htmx:sseOpen", function () {
      connected = true;
      tell();
    });
    document.body.addEventListener("htmx:sseError", function () {
      connected = false;
      tell();
    });
    tell();
  });
})();
