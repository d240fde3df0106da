/**
 * mod.ts: what the three scripts share.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import {
  abortable,
  anyText,
  COMMON,
  Deadline,
  decimal,
  EXIT,
  explain,
  helpText,
  hostPort,
  jsonLine,
  MAX_TIMER_MS,
  type OptionTable,
  OutputStream,
  parseOptions,
  pathNeeds,
  printable,
  readAll,
  readUntilEof,
  sleep,
  systemReason,
  TransientError,
  TrioError,
  unbracketed,
  usageError,
  VERSION,
  whole,
  writeAll,
} from "../mod.ts";
import { rejectsWith } from "./support/assertions.ts";
import { Folder } from "./support/folder.ts";
import { anyCharacter, fc } from "./support/fuzz.ts";
import { pause, ROOT, run, Running } from "./support/process.ts";
import { ManualTimeouts, WatchedSignal } from "./support/signals.ts";

// Errors and exit codes

Deno.test("VERSION is the version in deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  assertEquals(VERSION, version);
});

Deno.test("EXIT is the table of the README", async () => {
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const table = readme.slice(readme.indexOf("## Exit codes"), readme.indexOf("## Layout"));
  const codes = [...table.matchAll(/\| +([\d, ]+?) +\|/g)].flatMap(([, cell]) => cell!.split(", "));
  const numbers = codes.map(Number).sort((a, b) => a - b);
  const signals = [129, 143]; // those of shells, not ours
  assertEquals(
    numbers.filter((code) => !signals.includes(code)),
    Object.values(EXIT).sort((a, b) => a - b),
  );
});

Deno.test("errors have a code, a sentence, and what is known besides", () => {
  const cause = new Error("deep"), error = new TrioError(7, "no", { cause, topic: "a" });
  assertEquals([error.name, error.code, error.message], ["TrioError", 7, "no"]);
  assertEquals([error.cause, error.topic], [cause, "a"]);
  const passing = new TransientError(22, "busy", { retryAfter: 5 });
  assert(passing instanceof TrioError);
  assertEquals([passing.code, passing.retryAfter, passing.topic], [22, 5, undefined]);
  assertEquals([usageError("bad").code, usageError("bad").message], [EXIT.usage, "bad"]);
});

Deno.test("systemReason leaves out number, call and path", () => {
  const reasons: [text: unknown, reason: string][] = [
    [new Error("Permission denied (os error 13): open 'a'"), "Permission denied"],
    [
      new Error("No such file or directory (os error 2): rename 'a' -> 'b'"),
      "No such file or directory",
    ],
    [
      new Error("failed to lookup address information: Name does not resolve"),
      "Name does not resolve",
    ],
    [new Error("Connection refused (os error 111)"), "Connection refused"],
    ["a text", "a text"],
  ];
  for (const [error, reason] of reasons) assertEquals(systemReason(error), reason);
});

// Bytes

/** A source that gives `pieces`, one a read, as a socket might. */
function source(pieces: Uint8Array[]): Pick<Deno.Conn, "read"> {
  const left = pieces.filter((piece) => piece.length > 0);
  return {
    read(p) {
      const piece = left.shift();
      if (piece === undefined) return Promise.resolve(null);
      const n = Math.min(piece.length, p.length);
      p.set(piece.subarray(0, n));
      if (n < piece.length) left.unshift(piece.subarray(n));
      return Promise.resolve(n);
    },
  };
}

const pieces = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 });
const joined = (parts: Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));

Deno.test("readUntilEof gives all bytes in chunks that stay as they are", async () => {
  await fc.assert(fc.asyncProperty(pieces, async (parts) => {
    const chunks = await Array.fromAsync(readUntilEof(source(parts)));
    assertEquals(joined(chunks), joined(parts));
  }));
});

Deno.test("readAll collects up to its limit and not a byte more", async () => {
  await fc.assert(fc.asyncProperty(pieces, async (parts) => {
    const all = joined(parts);
    assertEquals(await readAll(source(parts), all.length), all);
    if (all.length > 0) {
      await assertRejects(() => readAll(source(parts), all.length - 1), RangeError);
    }
  }));
});

Deno.test("readAll does not wait for an endless source", async () => {
  const endless = { read: (p: Uint8Array) => Promise.resolve(p.length) };
  await assertRejects(() => readAll(endless, 1_000_000), RangeError);
});

Deno.test("writeAll writes all where each write takes some", async () => {
  const bytes = fc.uint8Array({ maxLength: 300 }), most = fc.integer({ min: 1, max: 50 });
  await fc.assert(fc.asyncProperty(bytes, most, async (bytes, most) => {
    const sink = new Taking(most);
    await writeAll(sink, bytes);
    assertEquals(sink.taken, [...bytes]);
  }));
});

// Text and addresses

Deno.test("printable shows C0, DEL and C1 but newline and tab, and leaves the rest", () => {
  assertEquals(printable("a\x1b[2J\x07\r\x7f\x9b b\n\tc"), "a\\x1b[2J\\x07\\x0d\\x7f\\x9b b\n\tc");
  assertEquals(printable("你好 🦕 é"), "你好 🦕 é");
  fc.assert(fc.property(fc.string({ unit: anyCharacter }), (text) => {
    assert(!/[^\P{Cc}\n\t]/u.test(printable(text)));
  }));
});

Deno.test("jsonLine is one line that means the value, without control characters", () => {
  fc.assert(fc.property(fc.jsonValue({ stringUnit: anyCharacter }), (value) => {
    const line = jsonLine(value);
    assert(!/\p{Cc}/u.test(line), line);
    assertEquals(JSON.parse(line), JSON.parse(JSON.stringify(value)));
  }));
  assertEquals(jsonLine({ a: "\x7f\x9b\n" }), '{"a":"\\u007f\\u009b\\n"}');
});

Deno.test("hostPort sets brackets around IPv6, and unbracketed takes them off", () => {
  assertEquals(hostPort({ hostname: "127.0.0.1", port: 80 }), "127.0.0.1:80");
  assertEquals(hostPort({ hostname: "::1", port: 80 }), "[::1]:80");
  assertEquals(["[::1]", "a.example", "[", "[a]b"].map(unbracketed), [
    "::1",
    "a.example",
    "[",
    "[a]b",
  ]);
});

// Time

Deno.test("abortable gives what it waits for, or the signal's reason as soon as that aborts", async () => {
  const controller = new AbortController(), { signal } = controller;
  assertEquals(await abortable(Promise.resolve(5), signal), 5);
  const failure = new Error("no"), late = new Error("late");
  assertEquals(
    await assertRejects(() => abortable(Promise.reject(failure), signal), Error),
    failure,
  );
  const waiting = abortable(new Promise(() => {}), signal);
  controller.abort(late);
  assertEquals(await assertRejects(() => waiting, Error), late);
  assertEquals(await assertRejects(() => abortable(new Promise(() => {}), signal), Error), late);
});

Deno.test("abortable, sleep and Deadline leave no listener on a signal", async () => {
  const watched = new WatchedSignal(), { signal, listeners } = watched;
  await abortable(Promise.resolve(), signal);
  await abortable(Promise.reject(new Error("no")), signal).catch(() => {});
  await sleep(1, signal);
  new Deadline(signal)[Symbol.dispose]();
  assertEquals(listeners.size, 0);
  const sleeping = sleep(1000, signal);
  assertEquals(listeners.size, 1);
  watched.abort(new Error("stop"));
  await assertRejects(() => sleeping, Error, "stop");
  assertEquals(listeners.size, 0);
});

Deno.test("Deadline leaves no listener on any of its timers: one would keep a program alive", () => {
  using timeouts = new ManualTimeouts();
  {
    using deadline = new Deadline();
    // those that are later than one that runs need none of their own
    for (const seconds of [100, 10, 1, 5, 50]) deadline.set(seconds, () => new Error("late"));
    assertEquals(timeouts.made.map(({ ms, listeners }) => [ms, listeners.size]), [
      [100_000, 0],
      [10_000, 0],
      [1000, 1],
    ]);
  }
  assertEquals(timeouts.made.map(({ listeners }) => listeners.size), [0, 0, 0]);
});

Deno.test("sleep ends with its signal, and leaves no timer", async () => {
  const controller = new AbortController(), stop = new Error("stop");
  await sleep(1, controller.signal);
  const sleeping = sleep(1e12, controller.signal); // a timer of more than 2^31 ms fires at once
  await sleep(20, new AbortController().signal);
  controller.abort(stop);
  assertEquals(await assertRejects(() => sleeping, Error), stop);
});

Deno.test("Deadline aborts when the time last set has passed, and not when it was cleared", async () => {
  using deadline = new Deadline();
  assertEquals(deadline.left, Infinity);
  deadline.set(0.001, () => new Error("first"));
  deadline.set(1000, () => new Error("second")); // the timer of the first finds that it is early
  assert(deadline.left > 999_000 && deadline.left <= 1_000_000);
  await sleep(20, new AbortController().signal);
  assertEquals(deadline.signal.aborted, false);
  deadline.set(0.001, () => new Error("third"));
  const third = abortable(new Promise(() => {}), deadline.signal);
  assertEquals((await assertRejects(() => third, Error)).message, "third");
  deadline.abort(new Error("fourth"));
  assertEquals(deadline.signal.reason.message, "third", "only the first reason counts");

  using cleared = new Deadline();
  cleared.set(0.001, () => new Error("late"));
  cleared.clear();
  await sleep(20, new AbortController().signal);
  assertEquals([cleared.signal.aborted, cleared.left], [false, Infinity]);
});

Deno.test("Deadline ends with the signal around it, until it is disposed of", () => {
  const outer = new AbortController(), stop = new Error("stop");
  const deadline = new Deadline(outer.signal), other = new Deadline(outer.signal);
  deadline.set(100, () => new Error("late"));
  other[Symbol.dispose]();
  outer.abort(stop);
  assertEquals([deadline.signal.reason, other.signal.aborted], [stop, false]);
  assertEquals(new Deadline(outer.signal).signal.reason, stop);
  deadline[Symbol.dispose]();
});

Deno.test("Deadline that was disposed of never aborts", async () => {
  const deadline = new Deadline();
  deadline.set(0.001, () => new Error("late"));
  deadline[Symbol.dispose]();
  await sleep(40, new AbortController().signal);
  assertEquals(deadline.signal.aborted, false);
});

Deno.test("Deadline that was cleared makes no timer any more", () => {
  using timeouts = new ManualTimeouts();
  using deadline = new Deadline();
  deadline.set(0.001, () => new Error("late"));
  deadline.clear();
  timeouts.made[0]!.pass();
  assertEquals(timeouts.made.length, 1);
});

Deno.test("Deadline takes the longest time there is", () => {
  using timeouts = new ManualTimeouts();
  using deadline = new Deadline();
  deadline.set(MAX_TIMER_MS * 10, () => new Error("late"));
  timeouts.made[0]!.pass();
  assertEquals(timeouts.made.map(({ ms }) => ms), [MAX_TIMER_MS, MAX_TIMER_MS]);
  assertEquals(deadline.signal.aborted, false);
});

Deno.test("Deadline lets what came in time be read first, however late it looks", async () => {
  using timeouts = new ManualTimeouts();
  using deadline = new Deadline();
  deadline.set(0.001, () => new Error("late"));
  await sleep(10, new AbortController().signal);
  timeouts.made[0]!.pass();
  assertEquals([deadline.signal.aborted, timeouts.made[1]!.ms], [false, 10]);
  deadline.set(100, () => new Error("later")); // it came, and there is time again
  timeouts.made[1]!.pass();
  deadline.set(0.001, () => new Error("late"));
  await sleep(10, new AbortController().signal);
  timeouts.made[3]!.pass();
  assertEquals([deadline.signal.aborted, timeouts.made.length], [false, 5]);
  timeouts.made[4]!.pass(); // it may have had no processor for longer than that pause
  assertEquals(deadline.signal.aborted, false);
  timeouts.made[5]!.pass();
  assertEquals(deadline.signal.reason.message, "late");
});

// Standard output and error

/** A sink whose writes take at most so many bytes, and fail or wait if they are told to. */
class Taking {
  taken: number[] = [];
  /** What the next writes do before they take something. */
  next: (() => Promise<void>)[] = [];

  constructor(readonly most: number) {}

  async write(p: Uint8Array): Promise<number> {
    await this.next.shift()?.();
    const some = p.subarray(0, this.most);
    this.taken.push(...some);
    return some.length;
  }

  get text(): string {
    return new TextDecoder().decode(Uint8Array.from(this.taken));
  }
}

Deno.test("OutputStream writes in order, all of it, made printable", async () => {
  const sink = new Taking(3), output = new OutputStream(sink);
  output.say("one\x1b");
  const printed = output.print("two");
  assertEquals(output.idle, false);
  assertEquals(await output.write(new TextEncoder().encode("\x1bthree")), 6);
  await printed;
  assertEquals([sink.text, output.idle], ["one\\x1b\ntwo\n\x1bthree", true]);
});

Deno.test("OutputStream waits for room in a pipe that another process made non-blocking", async () => {
  const sink = new Taking(4), output = new OutputStream(sink);
  const full = () => Promise.reject(new Deno.errors.WouldBlock("EAGAIN"));
  sink.next = [full, full, () => Promise.resolve(), full];
  const started = performance.now();
  await output.print("a longer line");
  assertEquals(sink.text, "a longer line\n");
  assert(performance.now() - started > 25, "three pauses of 10 ms"); // else it burns a core
});

Deno.test("OutputStream tells who waits that a write failed, and nobody else", async () => {
  const sink = new Taking(100), output = new OutputStream(sink);
  const failure = new Deno.errors.BrokenPipe("gone");
  sink.next = [() => Promise.reject(failure), () => Promise.reject(failure)];
  output.say("nobody waits");
  assertEquals(await assertRejects(() => output.print("somebody"), Error), failure);
  await output.print("later");
  await output.flush();
  assertEquals([sink.text, output.idle], ["later\n", true]);
});

Deno.test("OutputStream.flush waits for who reads slowly, not for who reads nothing", async () => {
  using timeouts = new ManualTimeouts();
  const sink = new Taking(100), output = new OutputStream(sink);
  const rooms = [1, 2, 3].map(() => Promise.withResolvers<void>());
  sink.next = rooms.map(({ promise }) => () => promise);
  const said = [output.print("one"), output.print("two"), output.print("three")];
  const flushed = output.flush().then(() => "flushed");
  for (const at of [0, 1]) {
    rooms[at]!.resolve();
    await said[at];
    timeouts.made[at]!.pass(); // a line was taken meanwhile: it waits on
    const nextWait = pause(0).then(() => "waits");
    assertEquals(await Promise.race([flushed, nextWait]), "waits");
  }
  timeouts.made[2]!.pass(); // and now none
  await flushed;
  assertEquals(timeouts.made.map(({ ms }) => ms), [1000, 1000, 1000]);
  assertEquals([sink.text, output.idle], ["one\ntwo\n", false]);
  rooms[2]!.resolve();
  await output.flush();
  assertEquals([sink.text, output.idle], ["one\ntwo\nthree\n", true]);
});

// Options

const TABLE = {
  port: {
    group: "Where",
    letter: "p",
    value: whole("PORT", 0, 65535),
    default: 9999,
    help: "a port",
  },
  wait: { value: decimal("S", 0.001, 10), help: "how long" },
  header: {
    group: "What",
    letter: "H",
    value: anyText("LINE", "a line"),
    many: true,
    help: "lines",
  },
  user: { value: { ...anyText("USER", "a user"), secret: true }, help: "who" },
  quiet: { letter: "q", help: "say nothing" },
  "no-fail": { help: "go on" },
  ...COMMON,
} as const satisfies OptionTable;

const parse = (...args: string[]) => parseOptions(args, TABLE);

Deno.test("parseOptions takes values with = or a space, of letters attached too", async () => {
  const forms = [["--port", "1"], ["--port=1"], ["-p", "1"], ["-p1"], ["-p=1"], ["-qp1"]];
  for (const args of forms) assertEquals((await parse(...args)).port, 1, args.join(" "));
});

Deno.test("parseOptions gives defaults, flags, lists and what was given", async () => {
  const none = await parse();
  assertEquals([none.port, none.wait, none.header, none.quiet], [9999, undefined, [], false]);
  assertEquals([none._, none.given], [[], new Set()]);
  const some = await parse("-q", "--port=9999", "-H", "a", "--header=b", "--port", "5", "x");
  assertEquals([some.port, some.header, some.quiet, some._], [5, ["a", "b"], true, ["x"]]);
  assertEquals(some.given, new Set(["port", "header", "quiet"]));
});

Deno.test("parseOptions takes values that look like options or booleans", async () => {
  const { header } = await parse("--header", "-X: 1", "-H", "true", "--header=a=b", "-H", "-");
  assertEquals(header, ["-X: 1", "true", "a=b", "-"]);
  const { quiet, _ } = await parse("-q", "true", "--no-fail", "false", "1e3");
  assertEquals([quiet, _], [true, ["true", "false", "1e3"]]);
});

Deno.test("parseOptions keeps what follows -- and lone dashes as arguments", async () => {
  const { _, literal } = await parse("a", "-", "--", "-q", "--port", "--");
  assertEquals([_, literal], [["a", "-", "-q", "--port", "--"], 3]);
});

Deno.test("parseOptions refuses what is unknown, lacks a value or has a bad one", async () => {
  const cases: [args: string[], message: string][] = [
    [["--nope"], "unknown option --nope (--help lists them)"],
    [["-z"], "unknown option -z (--help lists them)"],
    [["-qz"], "unknown option -z (--help lists them)"],
    [["--constructor"], "unknown option --constructor (--help lists them)"],
    [["--=x"], "unknown option -- (--help lists them)"],
    [["--port"], "--port takes a whole number from 0 to 65535"],
    [["--port="], "--port takes a whole number from 0 to 65535"],
    [["-p"], "-p takes a whole number from 0 to 65535"],
    [["--header", ""], "--header takes a line"],
    [["--port", "x"], '--port takes a whole number from 0 to 65535, not "x"'],
    [["--quiet=yes"], "--quiet takes no value"],
    [["-q=1"], "-q takes no value"],
  ];
  for (const [args, message] of cases) {
    assertEquals((await rejectsWith(EXIT.usage, parse(...args))).message, message);
  }
});

Deno.test("parseOptions shows no secret", async () => {
  const table = { key: { value: { ...whole("N", 0, 9), secret: true }, help: "" } } as const;
  const error = await rejectsWith(EXIT.usage, parseOptions(["--key=hush"], table));
  assertEquals(error.message, "--key takes a whole number from 0 to 9, not ***");
});

Deno.test("whole and decimal take decimal numbers within their bounds only", () => {
  const port = whole("PORT", 0, 65535), wait = decimal("S", 0.001, 10);
  assertEquals(["0", "65535", "007"].map(port.parse), [0, 65535, 7]);
  assertEquals(["0.25", "10", "0.001", ".5"].map(wait.parse), [0.25, 10, 0.001, 0.5]);
  for (
    const text of ["", "abc", "-1", "0x10", "1e3", " 1", "+1", "NaN", "Infinity", "٣", "1.", "."]
  ) {
    assertEquals([port.parse(text), wait.parse(text)], [undefined, undefined], text);
  }
  assertEquals([port.parse("65536"), port.parse("1.5")], [undefined, undefined]);
  assertEquals([wait.parse("0"), wait.parse("10.1")], [undefined, undefined]);
});

Deno.test("helpText has a line for each option, in groups and columns", () => {
  assertEquals(helpText("Intro", TABLE, "Outro").split("\n"), [
    "Intro",
    "Where",
    "  -p, --port PORT    a port (9999)",
    "      --wait S       how long",
    "What",
    "  -H, --header LINE  lines",
    "      --user USER    who",
    "  -q, --quiet        say nothing",
    "      --no-fail      go on",
    "  -h, --help         show this",
    "  -V, --version      show the version",
    "Outro",
  ]);
});

// From an error to an exit code

const SCRIPT = {
  name: "x",
  advice: { slow: "--wait allows more", [EXIT.connect]: "is it running?" },
  needs: () => ["net=a:1", "read=it's,b"],
  args: () => ["--user=***", "a b"],
};

Deno.test("explain gives the code and the sentence, with advice by topic or code", async () => {
  const cases: [error: unknown, code: number, sentence: string][] = [
    [new TrioError(28, "late", { topic: "slow" }), 28, "late (--wait allows more)"],
    [new TrioError(28, "late"), 28, "late"],
    [new TrioError(7, "nobody"), 7, "nobody (is it running?)"],
    [new TrioError(7, "nobody", { topic: "other" }), 7, "nobody"],
    [new TypeError("bug"), EXIT.unexpected, "bug"],
    ["text", EXIT.unexpected, "text"],
  ];
  for (const [error, code, sentence] of cases) {
    assertEquals(await explain(SCRIPT, error), [code, sentence]);
  }
});

Deno.test("explain names the command that grants what is missing, to be pasted", async () => {
  const denied = new Deno.errors.NotCapable('Requires net access to "a:1", run again with …');
  const [code, sentence] = await explain(SCRIPT, denied);
  assertEquals(code, EXIT.permission);
  const [, command] = sentence.match(/^net access to "a:1" is not granted \(run: (.*)\)$/)!;
  const words = await run("sh", ["-c", `printf '%s\\n' ${command}`]);
  assertEquals(words.stdout.split("\n").toSpliced(4, 1), [
    ...["deno", "run", "--allow-net=a:1", "--allow-read=it's,b"],
    ...["--user=***", "a b", ""],
  ]);
});

Deno.test("explain names the script by its path, or as it was named", async () => {
  const denied = new Deno.errors.NotCapable('Requires net access to "a:1", run again with …');
  const own = Object.getOwnPropertyDescriptor(Deno, "mainModule")!;
  for (const [url, path] of [["file:///a%20b/x.ts", "'/a b/x.ts'"], ["jsr:@a/x", "jsr:@a/x"]]) {
    Object.defineProperty(Deno, "mainModule", { ...own, get: () => url });
    try {
      assertStringIncludes((await explain(SCRIPT, denied))[1], ` ${path} '--user=***'`);
    } finally {
      Object.defineProperty(Deno, "mainModule", own);
    }
  }
});

Deno.test("explain shows a command of one line, whatever is in its arguments", async () => {
  const denied = new Deno.errors.NotCapable('Requires read access to "a\nb", run again with …');
  const [, sentence] = await explain({ ...SCRIPT, args: () => ["c\nd"] }, denied);
  assert(!sentence.includes("\n") && sentence.endsWith(" 'c\\nd')"), sentence);
});

Deno.test("pathNeeds grants the folder of a path with a comma, up to the root", () => {
  assertEquals(pathNeeds("read", ["a/b,c/d,e", "a,b", "/a,b", "f"]), ["read=f,.,/,a"]);
  assertEquals(pathNeeds("write", []), []);
});

/** A script of a few lines that uses mod.ts. */
function script(folder: Folder, lines: string): string {
  return folder.write("x.ts", `import * as mod from "file://${ROOT}mod.ts";\n${lines}`);
}

Deno.test("report says one printable line, short however much a peer sent", async () => {
  await using folder = new Folder();
  const file = script(
    folder,
    `const say = (text) => mod.report({ name: "x", advice: {} }, new mod.TrioError(28, text));
    const codes = [await say("late\\n\\x1b[2J"), await say("y".repeat(1e6))];
    await mod.stdout.print(codes.join());`,
  );
  const { stdout, stderr } = await run(Deno.execPath(), ["run", "--quiet", "--no-check", file]);
  const [first, second = "", ...more] = stderr.split("\n");
  assertEquals([stdout, first, more], ["28,28\n", "x: late\\n\\x1b[2J", [""]]);
  assert(second.startsWith("x: yyy") && second.length <= 2000, `${second.length}`);
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  Deno.test(`interruption aborts with ${signal}, and a second one ends the process`, async () => {
    await using folder = new Folder();
    const file = script(
      folder,
      `const signal = mod.interruption();
      signal.onabort = () => mod.stdout.say(\`\${signal.reason.code} \${signal.reason.message}\`);
      setInterval(() => {}, 1000);
      await mod.stdout.print("ready");`,
    );
    await using child = new Running(Deno.execPath(), ["run", "--quiet", "--no-check", "-A", file]);
    await child.heard("stdout", /ready\n/);
    child.child.kill(signal);
    await child.heard("stdout", new RegExp(`^${code} interrupted$`, "m"));
    child.child.kill(signal);
    assertEquals((await child.ended()).code, code);
  });
}

Deno.test("runScript ends with what main returns or throws, all lines written before", async () => {
  await using folder = new Folder();
  const file = script(
    folder,
    `await mod.runScript({ name: "x", advice: {} }, async ([what]) => {
      for (let n = 0; n < 1000; n++) mod.stdout.say("line " + n);
      if (what === "throw") throw new mod.TrioError(56, "it broke");
      return 5;
    });`,
  );
  for (const [what, code, said] of [["return", 5, ""], ["throw", 56, "x: it broke\n"]] as const) {
    const done = await run(Deno.execPath(), ["run", "--quiet", "--no-check", "-A", file, what]);
    assertEquals([done.code, done.stderr], [code, said]);
    assertStringIncludes(done.stdout, "line 0\n");
    assertEquals(done.stdout.split("\n").length, 1001);
  }
});
