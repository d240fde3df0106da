import { download } from "../fetch.ts";
import { isSame, noise } from "./support/bytes.ts";
import { hurry, MODES, runFetch, startFetch } from "./support/fetch.ts";
import { Folder } from "./support/folder.ts";
import { HOLD, MODIFIED, Origin, serveResource } from "./support/origin.ts";
import { response } from "./support/replies.ts";
const A = noise(3_000_000, 1), B = noise(3_000_000, 2);
const show = (folder: Folder) =>
  folder.names.map((n) => `${n}:${Deno.statSync(folder.file(n)).size}`).join(" ");
const CASES: Record<string, () => Promise<void>> = {
  async holes() {
    await using folder = new Folder();
    const killed = Promise.withResolvers<void>();
    await using origin = new Origin(({ headers }, count) => {
      const range = /bytes=(\d+)-(\d+)/.exec(headers.get("range") ?? "");
      if (count === 1) {
        return [
          `HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: ${A.length}\r\n\r\n`,
          A.subarray(0, 10),
          HOLD,
        ];
      }
      const [s, e] = range
        ? [+range[1]!, +range[2]!]
        : [+/\d+/.exec(headers.get("range")!)![0], A.length - 1];
      return [
        `HTTP/1.1 206 P\r\nETag: "1"\r\nContent-Range: bytes ${s}-${e}/${A.length}\r\nContent-Length: ${
          e - s + 1
        }\r\n\r\n`,
        A.subarray(s, s + 300_000),
        ...killed ? [HOLD] : [],
      ];
    });
    {
      await using child = startFetch(folder, ["--allow-all"], [
        "--connections=2",
        "-o",
        "f",
        origin.url(),
      ]);
      await folder.grown("f.part", 1_600_000);
      await child.stop("SIGKILL");
    }
    console.log(show(folder), folder.text("f.part.json").replace(/\s+/g, " "));
    await using o2 = new Origin((a) => serveResource(a, { body: A, etag: '"1"' }));
    Deno.writeTextFileSync(
      folder.file("f.part.json"),
      folder.text("f.part.json").replace(origin.url(), o2.url()),
    );
    const r = await runFetch(folder, ["-C", "-o", "f", o2.url()]);
    console.log(r.code, r.stderr, show(folder), isSame(folder.bytes("f"), A), o2.ranges());
  },
  async norangesPieces() {
    using _ = hurry();
    await using folder = new Folder();
    await using origin = new Origin((a) =>
      serveResource(a, { body: A, etag: '"1"', ranges: false })
    );
    const r = await download(origin.url(), { output: folder.file("f"), connections: 3 }).catch((
      e,
    ) => e);
    console.log(String(r.message ?? r.bytes), show(folder), origin.requests.length);
  },
  async alternating() {
    using _ = hurry();
    await using folder = new Folder();
    let n = 0;
    await using origin = new Origin(({ headers }) => {
      const v = n++ % 2, body = v ? B : A;
      const range = /bytes=(\d+)-(\d+)/.exec(headers.get("range") ?? "");
      if (!range) return response("200 OK", body, [`ETag: "${v}"`]);
      return response("206 P", body.subarray(+range[1]!, +range[2]! + 1), [
        `ETag: "${v}"`,
        `Content-Range: bytes ${range[1]}-${range[2]}/${A.length}`,
      ]);
    });
    const r = await download(origin.url(), { output: folder.file("f"), connections: 2, maxTime: 5 })
      .catch((e) => e);
    console.log(String(r.message ?? r.bytes), show(folder), origin.requests.length);
  },
  async ranges_complete_sha() {
    await using folder = new Folder();
    await using origin = new Origin((a) => serveResource(a, { body: A, etag: '"1"' }));
    folder.write("f.part", A);
    folder.write(
      "f.part.json",
      JSON.stringify({
        url: origin.url(),
        etag: '"1"',
        total: A.length,
        decoded: false,
        ranges: [[0, A.length]],
      }),
    );
    const r = await download(origin.url(), {
      output: folder.file("f"),
      resume: true,
      sha256: "0".repeat(64),
    }).catch((e) => e);
    console.log(String(r.stack ?? r.bytes), show(folder), origin.ranges());
  },
  async too_long_206() {
    await using folder = new Folder();
    await using origin = new Origin((_, count) =>
      count === 1
        ? [
          `HTTP/1.1 206 P\r\nETag: "1"\r\nContent-Range: bytes 1000-1999/3000000\r\n\r\n`,
          B.subarray(1000, 3000),
        ]
        : response("206 P", A.subarray(3000), [
          'ETag: "1"',
          "Content-Range: bytes 3000-2999999/3000000",
        ])
    );
    folder.write("f.part", A.subarray(0, 1000));
    folder.write(
      "f.part.json",
      JSON.stringify({ url: origin.url(), etag: '"1"', total: A.length, decoded: false }),
    );
    let r = await download(origin.url(), { output: folder.file("f"), resume: true, retry: 0 })
      .catch((e) => e);
    console.log(String(r.message ?? r.bytes), show(folder), origin.ranges());
    r = await download(origin.url(), { output: folder.file("f"), resume: true, retry: 0 }).catch((
      e,
    ) => e);
    console.log(String(r.message ?? r.bytes), show(folder), origin.ranges());
  },
  async login_no_validator() {
    using _ = hurry();
    await using folder = new Folder();
    await using origin = new Origin((_, count) => {
      const [h, b] = response("200 OK", count === 1 ? A : "<html>login", [
        `Content-Type: ${count === 1 ? "image/png" : "text/html"}`,
      ]);
      return [h, b.subarray(0, 1000)];
    });
    const r = await download(origin.url(), { output: folder.file("f"), resume: true }).catch((e) =>
      e
    );
    console.log(String(r.message ?? r.bytes), show(folder), origin.ranges());
  },
  async symlinked_new() {
    await using folder = new Folder();
    Deno.mkdirSync(folder.file("out"));
    Deno.mkdirSync(folder.file("in"));
    folder.write("out/x", "precious");
    Deno.symlinkSync("../out/x", folder.file("in/f.part.json.new"));
    await using origin = new Origin((a) => serveResource(a, { body: A, etag: '"1"' }));
    const r = await runFetch(folder, ["-o", "f", origin.url()], {
      cwd: folder.file("in"),
      permissions: ["--allow-net", "--allow-read=.", "--allow-write=."],
    });
    console.log(
      r.code,
      r.stderr,
      JSON.stringify(folder.text("out/x")),
      [...Deno.readDirSync(folder.file("in"))].map((x) => x.name),
    );
  },
  async foreign_complete_wrong_sha() {
    await using folder = new Folder();
    await using origin = new Origin((a) =>
      serveResource(a, { body: A, lastModified: MODIFIED, etag: '"1"' })
    );
    folder.write("f", B);
    const sha = new Uint8Array(await crypto.subtle.digest("SHA-256", A as BufferSource)).toHex();
    const r = await download(origin.url(), { output: folder.file("f"), resume: true, sha256: sha })
      .catch((e) => e);
    console.log(String(r.message ?? r.bytes), show(folder), origin.ranges());
  },
  async readonly_killed() {
    await using folder = new Folder();
    Deno.chmodSync(folder.path, 0o777);
    await using origin = new Origin((a, c) =>
      c === 1
        ? [...serveResource(a, { body: A, etag: '"1"', cut: 2_500_000 }), HOLD]
        : serveResource(a, { body: A, etag: '"1"' })
    );
    folder.write("f", "old");
    Deno.chmodSync(folder.file("f"), 0o444);
    Deno.chownSync(folder.file("f"), 65534, 65534);
    const cmd = (x: string[]) =>
      new Deno.Command("setpriv", {
        args: [
          "--reuid=65534",
          "--regid=65534",
          "--clear-groups",
          Deno.execPath(),
          "run",
          "-A",
          "--no-prompt",
          "--cached-only",
          new URL("../fetch.ts", import.meta.url).pathname,
          ...x,
        ],
        cwd: folder.path,
        env: { DENO_DIR: "/tmp/resume/denodir", NO_COLOR: "1" },
        stdout: "piped",
        stderr: "piped",
      });
    const child = cmd(["-o", "f", origin.url()]).spawn();
    await folder.grown("f.part", 1_000_000);
    child.kill("SIGKILL");
    const o = await child.output();
    console.log(new TextDecoder().decode(o.stderr), show(folder));
    const r = await cmd(["-C", "-o", "f", origin.url()]).output();
    console.log(r.code, new TextDecoder().decode(r.stderr), show(folder));
  },
};
for (const n of Deno.args.length ? Deno.args : Object.keys(CASES)) {
  console.log(`--- ${n}`);
  await CASES[n]!();
}
