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

// A field that is typed as a table gets a button that adds a row to it.
document.addEventListener("DOMContentLoaded", () => {
  const next = (text) => text.replace(/\d+(?=-\w+$|$)/, (number) => Number(number) + 1);

  for (const table of document.querySelectorAll(".desk-rows")) {
    const button = table.querySelector("button");
    button.hidden = false;
    button.addEventListener("click", () => {
      const last = table.querySelector("tbody tr:last-child");
      const row = last.cloneNode(true);
      for (const cell of row.querySelectorAll("input, select")) {
        cell.name = next(cell.name);
        cell.id = next(cell.id);
        cell.setAttribute("aria-label", next(cell.getAttribute("aria-label")));
        if (cell.type === "checkbox") {
          cell.checked = false;
        } else if (cell.tagName === "SELECT") {
          cell.selectedIndex = 0;
        } else {
          cell.value = "";
        }
      }
      last.after(row);
      row.querySelector("input, select").focus();
    });
  }
});
