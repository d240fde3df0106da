/**
 * Writes docs/compatibility.md from the lists in matrix.ts:
 *
 * ```sh
 * deno run --allow-read --allow-write --allow-run tests/compat/table.ts
 * ```
 *
 * @module
 */
import { PACKAGES } from "../support/peers.ts";
import { ROOT, run } from "../support/process.ts";
import { type Row, SECTIONS } from "./matrix.ts";

/** The file that has the tables. */
export const FILE = `${ROOT}docs/compatibility.md`;

/** A table of peers and exercises; what there is more of goes down. */
function table(rows: readonly Row<string, string>[]): string {
  const peers = rows.map(({ peer }) => peer);
  const exercises = [...new Set(rows.flatMap(({ exercised }) => exercised))];
  const mark = (peer: string, exercise: string) =>
    rows.some((row) => row.peer === peer && row.exercised.includes(exercise)) ? "✓" : "";
  const lines = peers.length > exercises.length
    ? [
      ["", ...exercises],
      ["---", ...exercises.map(() => ":-:")],
      ...peers.map((p) => [p, ...exercises.map((e) => mark(p, e))]),
    ]
    : [
      ["", ...peers],
      ["---", ...peers.map(() => ":-:")],
      ...exercises.map((e) => [e, ...peers.map((p) => mark(p, e))]),
    ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** What the last full run had; a name changes here when it was run with another one. */
const VERSIONS =
  "nginx 1.22.1, Apache httpd 2.4.71, lighttpd 1.4.69, Caddy 2.6.2, BusyBox 1.35.0, " +
  "HAProxy 2.6.12, Tinyproxy 1.11.1, Dante 1.4.2, microsocks 1.0.3, socat 1.7.4.4, Ncat 7.93, " +
  "OpenBSD netcat 1.219, traditional netcat 1.10, telnet of inetutils 2.4, OpenSSL 3.0.19, " +
  "OpenSSH 9.2p1, Redis 7.0.15, curl 7.88.1, aria2 1.36.0, Python 3.11.7, Node 20.20.2";

/** The text of docs/compatibility.md. */
export async function compatibility(): Promise<string> {
  const text = `# Compatibility

What \`deno task test\` does with programs nobody here wrote; the tests and this
page are made from the same lists, in
[tests/compat/matrix.ts](../tests/compat/matrix.ts). A test whose program is not
installed is ignored and says so, with \`REQUIRE_PEERS=1\` it fails. On Debian,
all of them:

\`\`\`sh
sudo apt-get install ${[...new Set(Object.values(PACKAGES))].sort().join(" ")}
\`\`\`

An empty cell is what the program does not do, or cannot be told to do: nothing was tried there. The
versions of the last full run, all of Debian 12 but for Node and Python: ${VERSIONS}.

${
    SECTIONS.map(({ title, about, rows }) => `## ${title}\n\n${about}\n\n${table(rows)}\n`).join(
      "\n",
    )
  }`;
  const fmt = ["fmt", "--ext", "md", "-"];
  return (await run(Deno.execPath(), fmt, { stdin: text })).stdout;
}

if (import.meta.main) await Deno.writeTextFile(FILE, await compatibility());
