import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { type BarChart, COLOURS, describe, draw, type LineChart } from "../bench/chart.ts";
import { type Bench, interleave, type Plan } from "../bench/programs.ts";
import { comparison, line, markdown, targetTable, usedTable } from "../bench/report.ts";
import { ratios, stats, type Target, valuesOf, verdict } from "../bench/stats.ts";

function fakeBench(quick = false): Bench {
  return {
    ...{ quick, began: performance.now(), load: 0, folder: "" },
    ...{ programs: new Map(), missing: new Set(), failures: [] },
  };
}

function fakePlan<Peer>(peers: Record<string, Peer>, more: Partial<Plan<Peer>> = {}): Plan<Peer> {
  return { title: "a plan", rounds: 2, seconds: 60, peers, ...more };
}

/** What was measured in round 1, 2, 3 … of each peer. */
function fakeRounds<T>(results: Record<string, T[]>): Map<string, Map<number, T>> {
  return new Map(
    Object.entries(results).map((
      [name, list],
    ) => [name, new Map(list.map((it, i) => [i + 1, it]))]),
  );
}

Deno.test("stats gives the median and the quartiles of values in any order", () => {
  assertEquals(stats([10, 9, 2]), { q1: 5.5, median: 9, q3: 9.5 });
  assertEquals(stats([5, 1, 4, 2, 3]), { q1: 2, median: 3, q3: 4 });
  assertEquals(stats([4, 1, 3, 10]), { q1: 2.5, median: 3.5, q3: 5.5 });
  assertEquals(stats([7]), { q1: 7, median: 7, q3: 7 });
});

Deno.test("interleave runs A B A B and drops the first round", async () => {
  const order: string[] = [];
  const results = await interleave(fakeBench(), fakePlan({ A: "a", B: "b" }), (peer) => {
    order.push(peer);
    return Promise.resolve(`${peer}${order.length}`);
  });
  assertEquals(order.join(""), "ababab");
  assertEquals(results, fakeRounds({ A: ["a3", "a5"], B: ["b4", "b6"] }));
});

Deno.test("interleave lets seldom peers take part in each third round, without warming up", async () => {
  const plan = fakePlan({ A: 1, B: 2 }, { rounds: 5, seldom: ["B"] });
  const results = await interleave(fakeBench(), plan, (peer) => Promise.resolve(peer));
  assertEquals([...results.get("A")!.keys()], [1, 2, 3, 4, 5]);
  assertEquals([...results.get("B")!.keys()], [1, 4]);
});

Deno.test("interleave measures one round at least, and no more after its time", async () => {
  const plan = fakePlan({ A: 1 }, { rounds: 9, seconds: 0 });
  const results = await interleave(fakeBench(), plan, (peer) => Promise.resolve(peer));
  assertEquals([...results.get("A")!.keys()], [1]);
});

Deno.test("interleave runs few rounds where it is to be quick", async () => {
  for (const [quick, rounds] of [[undefined, 2], [3, 3], [12, 9]]) {
    const plan = fakePlan({ A: 1 }, { rounds: 9, ...quick && { quick } });
    const results = await interleave(fakeBench(true), plan, (peer) => Promise.resolve(peer));
    assertEquals(results.get("A")!.size, rounds);
  }
});

Deno.test("interleave notes a peer that fails and goes on without it", async () => {
  const bench = fakeBench();
  const results = await interleave(bench, fakePlan({ A: 1, B: 2 }), (peer) => {
    return peer === 1 ? Promise.reject(new Error("wrong bytes")) : Promise.resolve(peer);
  });
  assertEquals(results, fakeRounds({ B: [2, 2] }));
  assertEquals(bench.failures, ["a plan: A: wrong bytes"]);
});

Deno.test("ratios compares what ran in the same round", () => {
  const results = fakeRounds({ ours: [1, 4, 9], peer: [2, 4, 3] });
  results.get("peer")!.delete(2);
  assertEquals(ratios(results, "ours", "peer", (n) => n), [0.5, 3]);
  assertEquals(ratios(results, "ours", "nobody", (n) => n), []);
  assertEquals(valuesOf(results, "peer", (n) => n), [2, 3]);
});

const TARGET: Target = { what: "wall", unit: "of curl", limit: ["at most", 1], values: [0.5] };

Deno.test("verdict: met by the median, missed by the better quartile, open between them", () => {
  const atMost = (...values: number[]) => verdict({ ...TARGET, values });
  assertEquals(atMost(0.5, 1, 9), "met");
  assertEquals(atMost(0.5, 0.9, 1.1, 1.2, 1.3), "open: within noise");
  assertEquals(atMost(0.5, 1.1, 1.1, 1.2, 1.3), "missed");
  assertEquals(atMost(), "not measured");
  const atLeast = (...values: number[]) => {
    return verdict({ ...TARGET, limit: ["at least", 1], values });
  };
  assertEquals(atLeast(0.1, 1, 1.1), "met");
  assertEquals(atLeast(0.7, 0.8, 0.9, 1.1, 1.2), "open: within noise");
  assertEquals(atLeast(0.6, 0.7, 0.8, 0.9, 1.2), "missed");
});

Deno.test("targetTable shows the spread of the rounds and the verdict", () => {
  const { rows } = targetTable([
    { ...TARGET, values: [1.5, 1.7, 1.6] },
    { ...TARGET, values: [] },
  ]);
  assertEquals(rows, [
    ["wall", "at most 1 of curl", "1.60", "1.55 to 1.65", "3", "**missed**"],
    ["wall", "at most 1 of curl", "", "", "0", "not measured"],
  ]);
});

Deno.test("comparison is a sentence with the ratio and its quartiles, or nothing", () => {
  assertEquals(
    comparison("fetch.ts", "takes N times as long as", "curl", [0.7, 0.8, 0.9]),
    "fetch.ts takes 0.80 times as long as curl (0.75 to 0.85 in the middle half of the rounds)",
  );
  assertEquals(comparison("fetch.ts", "takes N times as long as", "curl", []), "");
});

Deno.test("usedTable gives the medians of the ratios to the named peer", () => {
  const used = (wall: number) => ({ wall, cpu: 2 * wall, memory: 5 * 2 ** 20 });
  const { rows } = usedTable(
    fakeRounds({ ours: [used(1), used(2), used(30)], curl: [used(4), used(2), used(10)] }),
    "curl",
  );
  assertEquals(rows[0], [
    ...["ours", "2.000 s", "1.500 s to 16.000 s", "1.00"],
    ...["4.000 s", "1.00", "5 MiB", "3"],
  ]);
});

Deno.test("markdown aligns its columns, text left and numbers right", () => {
  assertEquals(
    markdown({ title: "", columns: ["", "n"], rows: [["short", "10"], ["longer", "1000"]] }),
    `|        |    n |
| ------ | ---: |
| short  |   10 |
| longer | 1000 |`,
  );
});

Deno.test("line quotes the words that a shell would change", () => {
  assertEquals(line(["sh", "-c", 'exec "$@"', "x=/tmp/y"]), `sh -c 'exec "$@"' x=/tmp/y`);
});

const point = (n: number) => ({ q1: n / 2, median: n, q3: n * 2 });

const BARS: BarChart = {
  file: "",
  title: "a < b",
  format: (n) => `${n} s`,
  groups: [{
    label: "case",
    bars: [{ label: "fetch.ts", ...point(1) }, { label: "curl", ...point(2) }],
  }],
};

const LINES: LineChart = {
  file: "",
  title: "growth",
  steps: "size",
  ticks: ["1", "10"],
  panels: [{
    title: "time",
    format: (n) => `${n} s`,
    lines: [
      { label: "fetch.ts", points: [point(1), point(4)] },
      { label: "curl", points: [undefined, point(4)] },
    ],
  }],
};

Deno.test("draw makes bars as long as their values, with a whisker each, and escapes labels", () => {
  const svg = draw(BARS);
  const bars = [...svg.matchAll(/<rect class="(?:ours|peer)" .*?width="([\d.]+)"/g)];
  const [ours, curl] = bars.map((m) => Number(m[1]));
  assertEquals(curl, 2 * ours!);
  assertEquals(svg.match(/class="whisker"/g)?.length, 2);
  assertStringIncludes(svg, "a &#60; b");
  assertMatch(svg, /font-weight="bold"[^>]*>fetch\.ts</);
  assertMatch(svg, /whiskers from first to third quartile/);
});

Deno.test("draw puts points of one value at one height, and their labels apart", () => {
  const svg = draw(LINES);
  const circles = [...svg.matchAll(/<circle .*?cx="(.*?)" cy="(.*?)"/g)].map((m) => m.slice(1));
  assertEquals(circles.length, 3);
  assertEquals(circles[1], circles[2]);
  assert(Number(circles[0]![1]) > Number(circles[1]![1]));
  const [ours, curl] = ["fetch.ts: 4 s", "curl: 4 s"]
    .map((label) => Number(svg.match(new RegExp(`y="([^"]*)"[^>]*>${label}<`))![1]));
  assert(Math.abs(ours! - curl!) >= 17);
});

Deno.test("describe says all numbers of a chart", () => {
  assertEquals(describe(BARS), "a < b. case: fetch.ts 1 s, curl 2 s.");
  assertEquals(
    describe(LINES),
    "growth. time, fetch.ts: 1 s at 1, 4 s at 10. time, curl: 4 s at 10.",
  );
});

/** The contrast of two colours such as `#9aa2ac`, from 1 to 21 (WCAG 2). */
function contrast(a: string, b: string): number {
  const [darker, lighter] = [a, b].map((colour) => {
    const [red, green, blue] = colour.match(/\w\w/g)!.map((hex) => {
      const part = parseInt(hex, 16) / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
  }).sort((a, b) => a - b);
  return (lighter! + 0.05) / (darker! + 0.05);
}

Deno.test("COLOURS: text has 4.5:1 on its page, bars and the whiskers in them 3:1", () => {
  for (const { page, ink, ours, peer } of Object.values(COLOURS)) {
    assert(contrast(ink, page) >= 4.5);
    for (const bar of [ours, peer]) {
      assert(contrast(bar, page) >= 3, `${bar} on ${page}: ${contrast(bar, page)}`);
      assert(contrast(ink, bar) >= 3, `${ink} on ${bar}: ${contrast(ink, bar)}`);
    }
  }
});
