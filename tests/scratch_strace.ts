import { isSame, noise } from "/work/wt/resume/tests/support/bytes.ts";
import { Folder } from "/work/wt/resume/tests/support/folder.ts";
import { response } from "/work/wt/resume/tests/support/replies.ts";
import { Origin } from "/work/wt/resume/tests/support/origin.ts";
const A = noise(2_600_000, 1), B = noise(2_700_000, 2);
let version = 0;
const LM = ["Sun, 06 Nov 1994 08:49:37 GMT", new Date(Date.now() - 60_000).toUTCString()];
await using origin = new Origin(({ headers }) => {
  const body = [A, B][version]!,
    v = [
      `ETag: "${version}"`,
      `Last-Modified: ${LM[version]}`,
      `Date: ${new Date().toUTCString()}`,
    ];
  const m = /bytes=(\d+)-(\d*)/.exec(headers.get("range") ?? "");
  const cond = headers.get("if-range");
  if (!m || cond && cond !== `"${version}"`) return response("200 OK", body, v);
  const s = +m[1]!, e = m[2] ? +m[2]! : body.length - 1;
  if (s >= body.length) return response("416 X", "", [`Content-Range: bytes */${body.length}`]);
  return response("206 P", body.subarray(s, e + 1), [
    ...v,
    `Content-Range: bytes ${s}-${e}/${body.length}`,
  ]);
});
const FETCH = "/work/wt/resume/fetch.ts";
async function go(cwd: string, args: string[], n?: number) {
  const names = ["f", "f.part", "f.part.json", "f.part.json.new"].flatMap((
    x,
  ) => ["-P", `${cwd}/${x}`]);
  const deno = [Deno.execPath(), "run", "-A", "--no-prompt", "--no-check", FETCH, ...args];
  const cmd = n === undefined ? deno : [
    "strace",
    "-f",
    "-qq",
    "-o",
    `${cwd}/../trace.txt`,
    ...names,
    "-e",
    `trace=${SYSN}`,
    "-e",
    `inject=${SYSN}:signal=SIGKILL:when=${n}`,
    ...deno,
  ];
  const { code, stderr, signal } = await new Deno.Command(cmd[0]!, {
    args: cmd.slice(1),
    cwd,
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).output();
  return { code, signal, err: new TextDecoder().decode(stderr) };
}
const SYS =
  "openat,ftruncate,write,lseek,rename,unlink,utimensat,statx,flock,chmod,fchmodat,linkat,link,read,close,fcntl,newfstatat,lstat"
    .split(",");
let SYSN = "";
let runs = 0, bad = 0, killed = 0;
for (const mode of Deno.args) {
  for (const sys of SYS) {
    SYSN = sys;
    for (let n = 1; n < 60; n++) {
      const next = n % 2;
      await using dir = new Folder("strace");
      const cwd = dir.file("d");
      Deno.mkdirSync(cwd);
      version = 0;
      const file = `${cwd}/f`;
      let before: Uint8Array | undefined;
      const args = ["-o", file, origin.url()];
      if (mode.includes("old")) Deno.writeFileSync(file, before = noise(1000, 5));
      if (mode.includes("resume")) {
        Deno.writeFileSync(`${file}.part`, A.subarray(0, 1_000_000));
        Deno.writeTextFileSync(
          `${file}.part.json`,
          JSON.stringify({
            url: origin.url(),
            etag: '"0"',
            lastModified: LM[0],
            total: A.length,
            decoded: false,
          }),
        );
        args.unshift("-C");
      }
      if (mode.includes("foreign")) {
        Deno.writeFileSync(file, before = A.subarray(0, 1_000_000));
        args.unshift("-C");
      }
      if (mode.includes("pieces")) args.unshift("--connections=2");
      if (mode.includes("noclobber")) args.unshift("--no-clobber");
      const first = await go(cwd, args, n);
      runs++;
      const names = () => [...Deno.readDirSync(cwd)].map((x) => x.name).sort().join();
      const left = names();
      const dead = first.code === 137 || first.signal === "SIGKILL";
      if (dead) killed++;
      const f = left.split(",").includes("f") ? Deno.readFileSync(file) : undefined;
      const okBefore = before ? f && isSame(f, before) : f === undefined;
      if (!(okBefore || f && isSame(f, A))) {
        bad++;
        console.log(mode, n, "FILE changed", left, f?.length);
      }
      version = next;
      LM[1] = new Date().toUTCString();
      const second = await go(cwd, ["-C", "-o", file, origin.url()]);
      const g = names().split(",").includes("f") ? Deno.readFileSync(file) : undefined;
      const good = g && (isSame(g, next ? B : A) || isSame(g, A));
      if (second.code !== 0 || !good || names() !== "f") {
        bad++;
        console.log(
          mode,
          sys,
          `n=${n} next=${next}`,
          "left",
          left,
          "second",
          second.code,
          second.err.trim(),
          good,
          names(),
        );
      }
      if (!dead) {
        if (n > 1) {
          console.log(mode, sys, `steps ${n - 1}`, first.code, first.err.trim().slice(0, 200));
        }
        break;
      }
    }
  }
}
console.log({ runs, killed, bad });
