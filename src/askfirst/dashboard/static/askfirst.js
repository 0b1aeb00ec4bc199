// Draws the charts of a page with ECharts, and does what a page cannot do without a script: the
// theme, the files of a chart, and the login link. Everything else works without.

const root = document.documentElement;
const printing = matchMedia("print");
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const charts = new Map(); // element -> [ECharts instance, figure]

const style = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const colours = () => ["--c1", "--c2", "--c3", "--c4", "--c5", "--c6"].map(style);
// labels at the ends of an axis stay within it
const ENDS = { alignMaxLabel: "right" };
const FAINT = { lineStyle: { opacity: 0.35 }, itemStyle: { opacity: 0.35 } };
const DAY = /^\d{4}-\d\d-\d\d$/;
const dayFormat = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });
const short = (label) => (DAY.test(label) ? dayFormat.format(new Date(label)) : label);
const round = (value) => Math.round(value * 10) / 10;

function said(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (unit === "share") return `${round(value * 100)} %`;
  if (unit === "days") return `${round(value)} days`;
  return Math.abs(value).toLocaleString("en");
}

// A tooltip made of elements: text goes in as text, styles come from the sheet.
function tip(title, rows) {
  const box = document.createElement("div");
  box.className = "tip";
  const head = document.createElement("b");
  head.textContent = title;
  box.append(head);
  for (const [name, value] of rows) {
    const row = document.createElement("span");
    const label = document.createElement("i");
    label.textContent = name;
    row.append(label, value);
    box.append(row);
  }
  return box;
}

const isZoomed = (figure) => figure.zoom && !printing.matches;

function base(figure) {
  return {
    animation: false,
    color: colours(),
    // without quotes: ECharts puts the name into an attribute of the SVG as it is
    textStyle: { fontFamily: style("--sans").replaceAll('"', ""), color: style("--soft") },
    grid: { left: 8, right: 20, top: 36, bottom: isZoomed(figure) ? 56 : 8, containLabel: true },
    legend: {
      type: "scroll",
      top: 0,
      left: 0,
      icon: "roundRect",
      itemWidth: 12,
      itemHeight: 3,
      textStyle: { color: style("--soft"), fontSize: 12 },
      pageTextStyle: { color: style("--soft") },
      pageIconColor: style("--accent"),
      inactiveColor: style("--line"),
    },
    tooltip: {
      trigger: "axis",
      className: "tip-holder",
      confine: true,
      backgroundColor: "transparent",
      borderWidth: 0,
      padding: 0,
      extraCssText: "box-shadow: none",
      axisPointer: { lineStyle: { color: style("--soft") }, shadowStyle: { opacity: 0.15 } },
    },
    dataZoom: isZoomed(figure) ? zoom() : [],
  };
}

function zoom() {
  const quiet = style("--line");
  return [
    { type: "inside", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false },
    {
      type: "slider",
      height: 18,
      bottom: 8,
      borderColor: "transparent",
      fillerColor: style("--accent") + "22",
      handleStyle: { color: style("--accent"), borderColor: style("--accent") },
      moveHandleSize: 0,
      dataBackground: { lineStyle: { color: quiet }, areaStyle: { color: quiet } },
      selectedDataBackground: { lineStyle: { color: quiet }, areaStyle: { color: quiet } },
      textStyle: { color: style("--soft") },
    },
  ];
}

function valueAxis(figure, more = {}) {
  return {
    type: "value",
    minInterval: figure.unit === "share" || figure.unit === "days" ? 0 : 1,
    max: figure.unit === "share" ? 1 : undefined,
    axisLabel: {
      color: style("--soft"),
      ...(more.ends ? ENDS : {}),
      formatter: (value) =>
        figure.unit === "share" ? `${Math.round(value * 100)} %` : value.toLocaleString("en"),
    },
    splitLine: { lineStyle: { color: style("--line") } },
    ...more,
  };
}

function labelAxis(figure, more = {}) {
  return {
    type: "category",
    data: figure.x,
    name: figure.x_name,
    nameLocation: "middle",
    nameGap: 28,
    axisLine: { lineStyle: { color: style("--line") } },
    axisTick: { show: false },
    axisLabel: {
      color: style("--soft"),
      hideOverlap: true,
      formatter: short,
      ...(more.ends ? ENDS : {}),
    },
    ...more,
  };
}

// Low and high as an invisible line with an area stacked on it.
function band(name, colour, low, high, more = {}) {
  const shared = {
    type: "line",
    name,
    stack: `band ${name}`,
    symbol: "none",
    silent: true,
    lineStyle: { opacity: 0 },
    tooltip: { show: false },
    ...more,
  };
  return [
    { ...shared, data: low },
    { ...shared, data: high, areaStyle: { color: colour, opacity: 0.14 } },
  ];
}

function linesOption(figure) {
  const option = base(figure);
  option.xAxis = labelAxis(figure, { boundaryGap: false, ends: true });
  option.yAxis = valueAxis(figure);
  option.series = figure.series.map((row) => ({
    type: "line",
    name: row.name,
    data: row.values,
    showSymbol: row.values.length < 40,
    symbolSize: 5,
    lineStyle: { width: 2 },
    emphasis: { focus: "series" },
    blur: FAINT,
  }));
  if (figure.low) {
    const width = figure.high.map((high, at) => high - figure.low[at]);
    option.series.push(...band(figure.series[0].name, colours()[0], figure.low, width));
  }
  option.legend.data = figure.series.map((row) => row.name);
  if (figure.series.length === 1) option.legend.show = false;
  option.grid.bottom += figure.x_name ? 24 : 0;
  option.tooltip.formatter = (points) => {
    const at = points[0].dataIndex;
    const rows = figure.series.map((row) => [row.name, said(row.values[at], figure.unit)]);
    if (figure.low) {
      const between = [figure.low[at], figure.high[at]].map((value) => said(value, figure.unit));
      rows.push(["95 % interval", between.join(" to ")]);
    }
    return tip(figure.x[at], rows);
  };
  return option;
}

function stepsOption(figure) {
  const option = base(figure);
  const palette = colours();
  option.xAxis = valueAxis({ unit: "days" }, {
    min: 0,
    ends: true,
    name: "days since the release",
    nameLocation: "middle",
    nameGap: 26,
    splitLine: { show: false },
    axisLine: { show: true, lineStyle: { color: style("--line") } },
  });
  option.grid.bottom = isZoomed(figure) ? 74 : 30;
  option.yAxis = valueAxis({ unit: "share" }, { min: 0 });
  option.series = figure.series.flatMap((row, at) => {
    const colour = palette[at % palette.length];
    const points = [[0, 0, 0, 0], ...row.points];
    const line = {
      type: "line",
      name: row.name,
      data: points.map(([days, share]) => [days, share]),
      step: "end",
      symbol: "none",
      lineStyle: { width: 2, color: colour },
      itemStyle: { color: colour },
      emphasis: { focus: "series" },
    blur: FAINT,
    };
    const low = points.map(([days, , from]) => [days, from]);
    const width = points.map(([days, , from, to]) => [days, to - from]);
    return [line, ...band(row.name, colour, low, width, { step: "end" })];
  });
  option.legend.data = figure.series.map((row) => row.name);
  option.tooltip.formatter = (points) => {
    const days = points[0].axisValue;
    const rows = figure.series.map((row) => {
      const last = row.points[row.points.length - 1];
      if (!last || days > last[0]) return [row.name, "–"];
      const at = row.points.filter((point) => point[0] <= days).pop() || [0, 0, 0, 0];
      const [share, low, high] = at.slice(1).map((value) => said(value, "share"));
      return [row.name, `${share} (${low} to ${high})`];
    });
    return tip(`after ${round(days)} days`, rows);
  };
  return option;
}

function barsOption(figure) {
  const option = base(figure);
  const labels = labelAxis(figure, figure.horizontal ? { inverse: true } : {});
  const values = valueAxis(figure, { ends: figure.horizontal });
  option.xAxis = figure.horizontal ? values : labels;
  option.yAxis = figure.horizontal ? labels : values;
  const drawn = figure.series.filter((row) => row.name !== figure.line);
  option.series = figure.series.map((row) =>
    row.name === figure.line
      ? { type: "line", name: row.name, data: row.values, symbolSize: 5, z: 3 }
      : {
          type: "bar",
          name: row.name,
          data: row.values,
          stack: "all",
          barMaxWidth: 34,
          itemStyle: figure.quiet?.includes(row.name) ? { color: style("--quiet") } : {},
          emphasis: { focus: "series" },
    blur: FAINT,
        },
  );
  if (figure.low) option.series.push(...whiskers(figure));
  option.legend.data = figure.series.map((row) => row.name);
  if (drawn.length === 1 && !figure.line) option.legend.show = false;
  option.grid.top = option.legend.show === false ? 12 : 36;
  option.grid.bottom += figure.x_name ? 26 : 0;
  option.tooltip.axisPointer = { type: "shadow", shadowStyle: { opacity: 0.12 } };
  option.tooltip.formatter = (points) => {
    const at = points[0].dataIndex;
    const rows = figure.series.map((row) => [row.name, said(row.values[at], figure.unit)]);
    if (figure.low) {
      const between = [figure.low[at], figure.high[at]].map((value) => said(value, figure.unit));
      rows.push(["95 % interval", between.join(" to ")]);
    }
    return tip(figure.x[at], rows);
  };
  return option;
}

// The interval of each bar, as a thin line over it.
function whiskers(figure) {
  const pairs = figure.low
    .map((low, at) => [at, low, figure.high[at]])
    .filter(([, low, high]) => low !== null && high !== null);
  return [
    {
      type: "custom",
      silent: true,
      tooltip: { show: false },
      z: 5,
      encode: { x: 0, y: [1, 2] },
      data: pairs,
      renderItem: (_, api) => {
        const [x, low] = api.coord([api.value(0), api.value(1)]);
        const [, high] = api.coord([api.value(0), api.value(2)]);
        const stroke = { stroke: style("--ink"), lineWidth: 1.2 };
        const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: stroke });
        return {
          type: "group",
          children: [
            line(x, low, x, high),
            line(x - 5, low, x + 5, low),
            line(x - 5, high, x + 5, high),
          ],
        };
      },
    },
  ];
}

function triangleOption(figure) {
  const option = base(figure);
  option.legend.show = false;
  option.grid.top = 8;
  option.grid.bottom = 44;
  option.xAxis = labelAxis({ ...figure, x_name: "weeks after the first" }, {
    splitLine: { show: false },
  });
  option.yAxis = labelAxis({ x: figure.y }, { inverse: true });
  option.visualMap = {
    show: false,
    min: 0,
    max: 1,
    dimension: 2,
    inRange: { color: [style("--raised"), style("--accent")] },
  };
  option.series = [
    {
      type: "heatmap",
      data: figure.cells,
      itemStyle: { borderColor: style("--paper"), borderWidth: 1 },
      emphasis: { itemStyle: { borderColor: style("--ink") } },
    },
  ];
  option.tooltip.trigger = "item";
  option.tooltip.formatter = ({ data: [after, week, share, active, size] }) =>
    tip(`${figure.y[week]}, ${figure.x[after]} weeks`, [
      ["active", `${active.toLocaleString("en")} of ${size.toLocaleString("en")}`],
      ["share", said(share, "share")],
    ]);
  return option;
}

const OPTIONS = {
  lines: linesOption,
  steps: stepsOption,
  bars: barsOption,
  triangle: triangleOption,
};

function draw(element) {
  if (!charts.has(element)) {
    const figure = JSON.parse(document.getElementById(element.dataset.chart).textContent);
    charts.set(element, [globalThis.echarts.init(element, null, { renderer: "canvas" }), figure]);
  }
  // the same chart each time: one that is disposed of while it paints goes on, and throws
  const [chart, figure] = charts.get(element);
  chart.resize();
  chart.setOption(OPTIONS[figure.kind](figure), true);
}

const drawAll = () => [...charts.keys()].forEach(draw);

// Files of a chart

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function asSvg(element) {
  const [chart, figure] = charts.get(element);
  const size = { width: chart.getWidth(), height: chart.getHeight() };
  const still = globalThis.echarts.init(null, null, { renderer: "svg", ssr: true, ...size });
  const option = OPTIONS[figure.kind](figure);
  still.setOption({ ...option, tooltip: { show: false }, backgroundColor: style("--paper") });
  const text = still.renderToSVGString();
  still.dispose();
  return new Blob([text], { type: "image/svg+xml" });
}

async function asPng(element) {
  const [chart] = charts.get(element);
  const shown = { pixelRatio: 2, backgroundColor: style("--paper") };
  const canvas = chart.renderToCanvas(shown);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function offerFiles(figure, element) {
  for (const button of figure.querySelectorAll("[data-save]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const kind = button.dataset.save;
      const blob = kind === "svg" ? asSvg(element) : await asPng(element);
      save(blob, `${figure.id}.${kind}`);
    });
  }
}

// The theme: what the system prefers, until the button is pressed

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches;
}

function offerTheme() {
  const button = document.querySelector("[data-theme-toggle]");
  if (!button) return;
  const label = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${button.textContent.toLowerCase()} colours`);
  };
  button.hidden = false;
  label();
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    document.cookie = `askfirst-theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=strict`;
    label();
    drawAll();
  });
  systemDark.addEventListener("change", () => {
    label();
    drawAll();
  });
}

// A choice shows at once; without a script there is the button

function submitOnChoice() {
  const form = document.querySelector("[data-filters]");
  for (const select of form?.querySelectorAll("select") ?? []) {
    select.addEventListener("change", () => form.requestSubmit());
  }
}

// The login link carries the token behind a #, which no server and no log gets to see

function login() {
  const form = document.querySelector("[data-login]");
  const token = decodeURIComponent(location.hash.slice(1));
  if (!form || !token) return;
  history.replaceState(null, "", location.pathname);
  form.elements.token.value = token;
  form.requestSubmit();
}

document.querySelector("nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
login();
addEventListener("hashchange", login); // the link was opened where the form was open already
offerTheme();
submitOnChoice();
for (const element of document.querySelectorAll("[data-chart]")) {
  draw(element);
  offerFiles(element.closest("figure"), element);
}
addEventListener("resize", () => charts.forEach(([chart]) => chart.resize()));
printing.addEventListener("change", drawAll);
document.fonts?.ready.then(drawAll);
