// Unfold hides the menu in a window that is 1280 pixels wide, as many are, and shows it from 1281.
"use strict";

const ROOM_FROM = 1280;

document.addEventListener("alpine:init", () => {
  const unfolds = window.theme;
  const isOpen = () =>
    window.innerWidth >= ROOM_FROM && localStorage.getItem("sidebarOpen") !== "0";

  window.theme = (...given) => {
    const page = unfolds(...given);
    page.sidebarOpen = isOpen();
    page.sidebarToggle = function () {
      this.sidebarOpen = !this.sidebarOpen;
      if (window.innerWidth >= ROOM_FROM) {
        localStorage.setItem("sidebarOpen", this.sidebarOpen ? "1" : "0");
      }
    };
    page.themeBindings["x-resize.window"] = function () {
      this.sidebarOpen = isOpen();
    };
    return page;
  };
});
