/**
 * Draws charts as SVG, and says in words what they show. A chart brings its own page, light or
 * dark as the reader has it, so that what is around it does not matter.
 *
 * @module
 */
import type { Stats } from "./stats.ts";

/** Bars in groups, longer for more. */
export interface BarChart {
  /** The file's name in docs/. */
  file: string;
  title: string;
  /** Writes a value, such as `0.512 s`. */
  format: (value: number) => string;
  groups: { label: string; bars: Bar[] }[];
}

/** A bar of a chart. */
export interface Bar extends Stats {
  label: string;
}

/** Lines over the same steps, in panels one below the other. */
export interface LineChart {
  /** The file's name in docs/. */
  file: string;
  title: string;
  /** What the steps are, such as `size`. */
  steps: string;
  /** The name of each step, such as `1 MiB`. */
  ticks: string[];
  panels: Panel[];
}

/** A panel: lines that have the same unit. */
export interface Panel {
  title: string;
  format: (value: number) => string;
  /** What the marks on its axis are multiples of, if not 1: bytes of a MiB. */
  unit?: number;
  /** Whether the values grow so much that only their digits can be drawn. */
  log?: true;
  lines: Line[];
}

/** A line; a point for each step, if that was measured. */
export interface Line {
  label: string;
  points: (Stats | undefined)[];
}

export type Chart = BarChart | LineChart;

/** The colours by the reader's scheme: text 4.5:1 on its page, everything else that matters 3:1. */
export const COLOURS = {
  light: { page: "#ffffff", ink: "#1f2328", ours: "#218bff", peer: "#8c959f", grid: "#d0d7de" },
  dark: { page: "#0d1117", ink: "#f0f6fc", ours: "#1f6feb", peer: "#6e7681", grid: "#30363d" },
} as const;

/** What the marks mean; stands in each chart. */
const LEGEND = "medians; whiskers from first to third quartile: half of the rounds";

const WIDTH = 780, PAD = 12, ROW = 24;
const LABEL = 204, VALUE = 100; // beside bars
const AXIS = 84, END = 262, PANEL = 190; // beside lines, and a panel's height

/** How lines differ, beside their colour. */
const DASHES = ["none", "7 4", "2 3", "10 3 2 3"];

/** Draws `chart`; what has `.ts` in its label is ours and stands out. */
export function draw(chart: Chart): string {
  const [lines, height] = "groups" in chart ? drawBars(chart) : drawPanels(chart);
  const mark = "groups" in chart ? "Bars" : "Points";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" ` +
    `height="${height}" role="img" font-family="system-ui, sans-serif" font-size="14">`,
    `<title>${escape(chart.title)}</title>`,
    `<desc>${escape(describe(chart))}</desc>`,
    `<style>${style("light")} @media (prefers-color-scheme: dark) { ${style("dark")} }</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}" rx="6"/>`,
    text(PAD, 26, chart.title, "bold"),
    text(PAD, 46, `${mark}: ${LEGEND}`),
    ...lines,
    "</svg>\n",
  ].join("\n");
}

/** What the chart shows, in words and numbers. */
export function describe(chart: Chart): string {
  const parts = "groups" in chart
    ? chart.groups.map(({ label, bars }) => {
      const values = bars.map((bar) => `${bar.label} ${chart.format(bar.median)}`).join(", ");
      return label ? `${label}: ${values}` : values;
    })
    : chart.panels.flatMap(({ title, lines, format }) =>
      lines.map(({ label, points }) => {
        const values = points.flatMap((point, i) =>
          point ? [`${format(point.median)} at ${chart.ticks[i]}`] : []
        );
        return `${title}, ${label}: ${values.join(", ")}`;
      })
    );
  return [chart.title, ...parts].join(". ") + ".";
}

function style(scheme: keyof typeof COLOURS): string {
  const { page, ink, ours, peer, grid } = COLOURS[scheme];
  return `.page { fill: ${page} } text { fill: ${ink} } .whisker { stroke: ${ink} } ` +
    `.grid { stroke: ${grid} } .ours { fill: ${ours} } .peer { fill: ${peer} } ` +
    `.line { fill: none } .line.ours { stroke: ${ours} } .line.peer { stroke: ${peer} }`;
}

function drawBars({ groups, format }: BarChart): [lines: string[], height: number] {
  const most = Math.max(...groups.flatMap(({ bars }) => bars.map((bar) => bar.q3)));
  const scale = (value: number) => round(value / most * (WIDTH - LABEL - VALUE - PAD));
  const lines: string[] = [];
  let y = 62;
  for (const { label, bars } of groups) {
    if (label) lines.push(text(PAD, y + 16, label, "bold"));
    if (label) y += ROW;
    for (const bar of bars) {
      const x = LABEL + scale(bar.q3) + 8, weight = weightOf(bar.label);
      lines.push(
        text(LABEL - 8, y + 17, bar.label, weight, "end"),
        `<rect class="${kind(bar.label)}" x="${LABEL}" y="${y + 3}" width="${scale(bar.median)}" ` +
          `height="${ROW - 6}" rx="2"/>`,
        whisker("across", y + ROW / 2, LABEL + scale(bar.q1), LABEL + scale(bar.q3)),
        text(x, y + 17, format(bar.median), weight),
      );
      y += ROW;
    }
    y += ROW / 2;
  }
  return [lines, y];
}

function drawPanels({ steps, ticks, panels }: LineChart): [lines: string[], height: number] {
  const x = (i: number) => round(AXIS + 12 + i * (WIDTH - AXIS - END - 24) / (ticks.length - 1));
  const lines: string[] = [];
  let y = 62;
  for (const panel of panels) {
    lines.push(
      text(PAD, y + 16, `${panel.title}, by ${steps}`, "bold"),
      ...drawPanel(panel, y + 36, x),
    );
    lines.push(
      ...ticks.map((tick, i) => text(x(i), y + 36 + PANEL + 18, tick, "normal", "middle")),
    );
    y += PANEL + 72;
  }
  return [lines, y];
}

function drawPanel(panel: Panel, top: number, x: (step: number) => number): string[] {
  const marks = marksOf(panel);
  const place = (value: number) => panel.log ? Math.log10(value) : value;
  const [low, high] = [marks[0]!, marks.at(-1)!].map(place) as [number, number];
  const y = (value: number) =>
    round(top + PANEL * (1 - (Math.max(place(value), low) - low) / (high - low)));
  const lines = marks.flatMap((mark) => [
    `<path class="grid" d="M${AXIS} ${y(mark)}H${WIDTH - END}"/>`,
    text(AXIS - 8, y(mark) + 5, panel.format(mark), "normal", "end"),
  ]);
  const ends: { label: string; x: number; y: number }[] = [];
  for (const [i, { label, points }] of panel.lines.entries()) {
    const there = points.flatMap((point, step) => point ? [{ ...point, x: x(step) }] : []);
    if (!there.length) continue;
    const path = there.map((point) => `${point.x} ${y(point.median)}`).join("L");
    lines.push(
      `<path class="line ${kind(label)}" d="M${path}" stroke-dasharray="${DASHES[i % 4]}" ` +
        `stroke-width="${kind(label) === "ours" ? 3 : 2}"/>`,
      ...there.flatMap((point) => [
        `<circle class="${kind(label)}" cx="${point.x}" cy="${y(point.median)}" r="5"/>`,
        whisker("up", point.x, y(point.q3), y(point.q1)),
      ]),
    );
    const last = there.at(-1)!;
    const end = { label: `${label}: ${panel.format(last.median)}`, x: last.x, y: y(last.median) };
    // Beside the last step there is room; a line that ends earlier has its label above its end.
    if (points.at(-1)) ends.push(end);
    else lines.push(text(end.x, end.y - 14, end.label, weightOf(label)));
  }
  return [...lines, ...endLabels(ends)];
}

/** The labels at the ends of lines, moved apart where lines end together. */
function endLabels(ends: { label: string; x: number; y: number }[]): string[] {
  let below = -Infinity;
  return ends.sort((a, b) => a.y - b.y).map(({ label, x, y }) => {
    below = Math.max(y, below + 17);
    return text(x + 12, below + 5, label, weightOf(label));
  });
}

/** The values that have a line across the panel: 0, 20, 40, 60 or 0.01, 0.1, 1, 10. */
function marksOf({ lines, log, unit = 1 }: Panel): number[] {
  const points = lines.flatMap(({ points }) => points.flatMap((point) => point ?? []));
  const least = Math.min(...points.map((point) => point.q1));
  const most = Math.max(...points.map((point) => point.q3));
  if (log) {
    const first = Math.floor(Math.log10(least)), last = Math.ceil(Math.log10(most));
    return Array.from({ length: Math.max(2, last - first + 1) }, (_, i) => 10 ** (first + i));
  }
  const power = 10 ** Math.floor(Math.log10(most / unit / 2));
  const step = [1, 2, 5, 10].map((n) => n * power * unit).find((step) => most / step <= 5)!;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step);
}

/** A line between the quartiles with a cap at each end. */
function whisker(way: "across" | "up", at: number, from: number, to: number): string {
  const d = way === "across"
    ? `M${from} ${at - 4}v8M${from} ${at}H${to}M${to} ${at - 4}v8`
    : `M${at - 4} ${from}h8M${at} ${from}V${to}M${at - 4} ${to}h8`;
  return `<path class="whisker" d="${d}" stroke-width="1.5"/>`;
}

const kind = (label: string) => /\.ts\b/.test(label) ? "ours" : "peer";

const weightOf = (label: string) => kind(label) === "ours" ? "bold" : "normal";

function text(
  x: number,
  y: number,
  words: string,
  weight: "bold" | "normal" = "normal",
  anchor: "start" | "middle" | "end" = "start",
): string {
  return `<text x="${x}" y="${y}" font-weight="${weight}" ` +
    `text-anchor="${anchor}">${escape(words)}</text>`;
}

function escape(words: string): string {
  return words.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
