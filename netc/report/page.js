(() => {
  const box = document.body.appendChild(Object.assign(document.createElement("div"), { className: "hover" }));
  const number = (v) => (v !== 0 && (Math.abs(v) < 1e-3 || Math.abs(v) >= 1e7) ? v.toExponential(2) : String(+v.toPrecision(5)));
  const scale = (text, log) => {
    const [low, high, start, end] = text.split(" ").map(Number);
    return (at) => { const v = low + ((at - start) / (end - start)) * (high - low); return log ? 10 ** v : v; };
  };
  for (const svg of document.querySelectorAll("svg.chart[data-x]")) {
    const x = scale(svg.dataset.x, false), y = scale(svg.dataset.y, svg.dataset.log === "1");
    const lines = [...svg.querySelectorAll(".line")].map((path) => ({
      name: path.dataset.series, colour: path.getAttribute("stroke"),
      points: path.getAttribute("d").slice(1).split("L").map((p) => p.split(" ").map(Number)),
    }));
    svg.addEventListener("pointermove", (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()).x;
      const near = lines.map((l) => ({ ...l, point: l.points.reduce((a, b) => (Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a)) }));
      const nearest = near.reduce((a, b) => (Math.abs(b.point[0] - at) < Math.abs(a.point[0] - at) ? b : a)).point[0];
      box.replaceChildren(Object.assign(document.createElement("div"), { textContent: number(Math.round(x(nearest))) }));
      for (const l of near.filter((l) => Math.abs(l.point[0] - nearest) < 12)) {
        const row = box.appendChild(Object.assign(document.createElement("div"), { textContent: `${l.name} ${number(y(l.point[1]))}` }));
        row.style.color = l.colour;
      }
      box.style.display = "block";
      box.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8))}px`;
      box.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - box.offsetHeight - 8))}px`;
    });
    svg.addEventListener("pointerleave", () => { box.style.display = "none"; });
  }
})();
