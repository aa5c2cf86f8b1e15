// Tables sort by their heads, marks of charts tell what they are, paper shows what is folded.
// A page can be read without any of it.
"use strict";

(() => {
  const numberAtStart = /^[<≤]?\s*([-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?)/i;

  // What a cell is sorted by: the value that it carries, or what is written in it, but for the small
  // print below; null is nothing.
  const written = (cell) =>
    [...cell.childNodes].filter((part) => part.nodeName !== "SMALL").map((part) => part.textContent).join("");
  const content = (cell) => {
    const text = (cell ? cell.dataset.value ?? written(cell) : "").trim();
    return text === "" || text === "–" ? null : text;
  };
  const number = (text) => {
    const found = numberAtStart.exec(text);
    return found ? Number(found[1].replaceAll(",", "")) : NaN;
  };

  const sort = (table, column, isDescending) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [row, content(row.cells[column])]);
    const known = rows.filter(([, text]) => text !== null);
    const isNumeric = column > 0 && known.some(([, text]) => !isNaN(number(text)));
    const compare = isNumeric
      ? ([, a], [, b]) => (number(a) - number(b) || 0)
      : ([, a], [, b]) => a.localeCompare(b, "en", { numeric: true });
    // What has no value stays below, whichever way the others are turned.
    const isLast = ([, text]) => text === null || (isNumeric && isNaN(number(text)));
    const first = rows.filter((row) => !isLast(row)).sort(compare);
    if (isDescending) first.reverse();
    body.append(...[...first, ...rows.filter(isLast)].map(([row]) => row));
  };

  const makeSortable = (table) => {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    heads.forEach((head, column) => {
      if (!head.hasChildNodes()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const isDescending = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
        sort(table, column, isDescending);
      });
    });
  };

  const tooltip = document.createElement("div");
  tooltip.className = "tooltip";
  tooltip.setAttribute("aria-hidden", "true"); // a mark's label says the same
  tooltip.hidden = true;

  let shown = null;
  const show = (mark) => {
    shown = mark;
    tooltip.textContent = mark.getAttribute("aria-label");
    tooltip.hidden = false;
    const at = mark.getBoundingClientRect();
    const box = tooltip.getBoundingClientRect();
    const left = Math.min(at.left + at.width / 2 - box.width / 2, innerWidth - box.width - 8);
    const isRoomAbove = at.top - box.height - 8 > 0;
    tooltip.style.left = `${Math.max(8, left)}px`;
    tooltip.style.top = `${isRoomAbove ? at.top - box.height - 8 : at.bottom + 8}px`;
  };
  const hide = () => {
    shown = null;
    tooltip.hidden = true;
  };

  // A chart is one stop of the tabulator; arrows go from mark to mark.
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const tellValues = (chart) => {
    const marks = [...chart.querySelectorAll(".tip")];
    marks.forEach((mark, place) => {
      const title = mark.querySelector("title");
      mark.setAttribute("aria-label", title.textContent);
      mark.setAttribute("role", "img");
      mark.setAttribute("tabindex", place ? "-1" : "0");
      title.remove(); // or the browser would show it too
    });
    if (!marks.length) return;
    chart.setAttribute("role", "group");
    const over = (event) => event.target.closest(".tip");
    chart.addEventListener("pointerover", (event) => over(event) && show(over(event)));
    chart.addEventListener("pointerout", hide);
    chart.addEventListener("focusin", (event) => over(event) && show(over(event)));
    chart.addEventListener("focusout", hide);
    chart.addEventListener("click", (event) => over(event)?.focus());
    chart.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
      const step = steps[event.key];
      const place = marks.indexOf(document.activeElement);
      if (!step || place < 0) return;
      event.preventDefault();
      const next = marks[(place + step + marks.length) % marks.length];
      marks[place].setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      next.focus();
    });
  };

  document.body.append(tooltip);
  document.querySelectorAll("table.figures").forEach(makeSortable);
  document.querySelectorAll("svg").forEach(tellValues);
  // To come into focus a mark is scrolled to where it can be seen.
  addEventListener("scroll", () => shown && show(shown), { passive: true });

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((part) => (part.open = true));
  });
  addEventListener("afterprint", () => folded.forEach((part) => (part.open = false)));
})();
