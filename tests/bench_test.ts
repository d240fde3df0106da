import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { draw } from "../bench/chart.ts";
import { type Bench, interleave } from "../bench/programs.ts";
import {
  lines,
  markdown,
  met,
  stats,
  type Target,
  targetTable,
  usedTable,
} from "../bench/report.ts";

function fakeBench(): Bench {
  return { quick: true, folder: "", programs: new Map(), missing: new Set(), failures: [] };
}

Deno.test("stats gives the median, the least and the greatest in any order", () => {
  assertEquals(stats([10, 9, 2]), { median: 9, min: 2, max: 10 });
  assertEquals(stats([4, 1, 3, 10]), { median: 3.5, min: 1, max: 10 });
  assertEquals(stats([7]), { median: 7, min: 7, max: 7 });
});

Deno.test("interleave runs A B A B and drops the first round", async () => {
  const order: string[] = [];
  const results = await interleave(fakeBench(), 2, { A: "a", B: "b" }, (peer) => {
    order.push(peer);
    return Promise.resolve(`${peer}${order.length}`);
  });
  assertEquals(order.join(""), "ababab");
  assertEquals([...results], [["A", ["a3", "a5"]], ["B", ["b4", "b6"]]]);
});

Deno.test("interleave notes a peer that fails and goes on without it", async () => {
  const bench = fakeBench();
  const results = await interleave(bench, 2, { A: 1, B: 2 }, (peer) => {
    return peer === 1 ? Promise.reject(new Error("wrong bytes")) : Promise.resolve(peer);
  });
  assertEquals([...results], [["B", [2, 2]]]);
  assertEquals(bench.failures, ["A: wrong bytes"]);
});

Deno.test("met takes the limit itself, and nothing that was not measured", () => {
  const target: Target = { what: "", unit: "", limit: ["at most", 0.85], value: 0.85 };
  assert(met(target));
  assert(!met({ ...target, value: 0.86 }));
  assert(met({ ...target, limit: ["at least", 0.8] }));
  assert(!met({ ...target, limit: ["at least", 0.9] }));
  assert(!met({ ...target, value: undefined }));
});

Deno.test("targetTable says met, missed or not measured", () => {
  const target: Target = { what: "wall", unit: "of curl", limit: ["at most", 1], value: 0.5 };
  const { rows } = targetTable([
    target,
    { ...target, value: 1.5 },
    { ...target, value: undefined },
  ]);
  assertEquals(rows.map((row) => row.slice(2)), [
    ["0.50", "met"],
    ["1.50", "**missed**"],
    ["not measured", ""],
  ]);
});

Deno.test("usedTable gives ratios of medians to the named peer", () => {
  const used = (wall: number) => ({ wall, cpu: 2 * wall, memory: 5 * 2 ** 20 });
  const { rows } = usedTable(
    new Map([["ours", [used(1), used(2), used(30)]], ["curl", [used(4)]]]),
    "curl",
  );
  assertEquals(rows[0], [
    ...["ours", "2.000 s", "1.000 s to 30.000 s", "0.50"],
    ...["4.000 s", "0.50", "5 MiB"],
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

Deno.test("lines quotes the words that a shell would change", () => {
  assertEquals(lines({ a: ["sh", "-c", 'exec "$@"', "x=/tmp/y"] }), [
    `sh -c 'exec "$@"' x=/tmp/y`,
  ]);
});

Deno.test("draw makes bars as long as their values, and escapes labels", () => {
  const bar = (label: string, n: number) => ({
    label,
    median: n,
    min: n,
    max: n,
    value: `${n} s`,
  });
  const svg = draw({
    file: "",
    title: "a < b",
    groups: [{ label: "case", bars: [bar("fetch.ts", 1), bar("curl", 2)] }],
  });
  const [ours, curl] = [...svg.matchAll(/<rect .*?width="([\d.]+)"/g)].map((m) => Number(m[1]));
  assertEquals(curl, 2 * ours!);
  assertStringIncludes(svg, "a &#60; b");
  assertMatch(svg, /font-weight="bold"[^>]*>fetch\.ts</);
});
