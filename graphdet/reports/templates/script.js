"use strict";
// Sorting and filtering of tables. The page is complete without it.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
  };
  const compare = (one, other) => {
    if (typeof one === "number" && typeof other === "number") {
      return Number.isNaN(one) - Number.isNaN(other) || one - other;
    }
    return String(one).localeCompare(String(other));
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].sort((one, other) => compare(value(one, column), value(other, column)));
      if (!up) rows.reverse();
      body.append(...rows);
    });
  });
  if (body.rows.length < 8) continue;
  const tools = document.createElement("div");
  const input = document.createElement("input");
  const count = document.createElement("span");
  tools.className = "tools";
  input.type = "search";
  input.placeholder = "Filter the rows";
  input.setAttribute("aria-label", "Filter the rows of this table");
  tools.append(input, count);
  table.closest(".scroll").before(tools);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = words.length ? `${shown} of ${body.rows.length} rows` : "";
  });
}
