// deno-lint-ignore-file no-control-regex -- what a terminal is told
/**
 * fetch.ts in a terminal, as wide as the test wants it.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "jsr:@std/assert@^1.0.0";
import { EXIT } from "../../mod.ts";
import { isSame, noise } from "../support/bytes.ts";
import { Folder } from "../support/folder.ts";
import { HOLD, MODIFIED, Origin, serveResource } from "../support/origin.ts";
import { writeRecord } from "../support/output.ts";
import { testPeer } from "../support/peers.ts";
import { denoArgs, Running } from "../support/process.ts";
import { response } from "../support/replies.ts";
import { BACKSPACE, CTRL_C, CTRL_D, CTRL_U, inTerminal } from "../support/terminal.ts";

/** Sets the terminal's width, and says so if a command leaves it in another mode. */
const SHELL = `
trap : INT
stty cols "$1" rows 24; shift
before=$(stty -g)
"$@"
code=$?
[ "$(stty -g)" = "$before" ] || echo "the terminal is in another mode"
exit $code
`;

/** Runs fetch.ts in a terminal of so many columns, or another command line around it. */
function terminal(folder: Folder, columns: number, args: string[], around: string[] = []): Running {
  // a test that fails does not wait for long
  const impatient = ["--stall-timeout=60", "--retry=1", ...args];
  const command = [...around, Deno.execPath(), ...denoArgs("fetch.ts", impatient)];
  const shell = ["sh", "-c", SHELL, "sh", String(columns), ...command];
  return inTerminal(shell, { cwd: folder.path });
}

/** The columns that text takes: two for each Chinese character. */
function width(text: string): number {
  return [...text].reduce((sum, char) => sum + (/[\u2e80-\u9fff]/.test(char) ? 2 : 1), 0);
}

/** What the screen of a terminal shows after all this, as the terminal would. */
function screen(output: string, columns: number): string[] {
  const lines: string[][] = [[]];
  let column = 0;
  for (const [token] of output.matchAll(/\x1b\[[\d;?]*[a-zA-Z]|[^]/gu)) {
    const line = lines.at(-1)!;
    if (token === "\r" || token === "\x1b[0G") column = 0;
    else if (token === "\n") lines.push([]);
    else if (token === "\x1b[K") line.splice(column);
    else if (token === "\x1b[2K") line.splice(0); // Deno's own: it checked types
    else if (token !== "\x1b[J") {
      assert(token >= " ", `the terminal is told ${JSON.stringify(token)}`);
      if (column + width(token) > columns) {
        lines.push([]);
        column = 0;
      }
      lines.at(-1)!.splice(column, width(token), token, ...width(token) > 1 ? [""] : []);
      column += width(token);
    }
  }
  return lines.map((line) => Array.from(line, (char) => char ?? " ").join(""));
}

/** The exit code, and what the screen shows in the end. */
async function ended(running: Running, columns: number): Promise<[code: number, ...string[]]> {
  const { code, stdout } = await running.ended();
  return [code, ...screen(stdout, columns)];
}

/** All progress lines that were drawn since the head came. */
function frames({ stdout }: Running): string[] {
  const body = stdout.slice(stdout.lastIndexOf("HTTP/1."));
  return [...body.matchAll(/\r([^\r\n\x1b]+)\x1b\[K/g)].map(([, frame]) => frame!);
}

const BODY = noise(1_000_000);

/** A server that sends `cut` bytes, waits until the test has seen enough, and sends the rest. */
class Pausing extends Origin {
  /** Lets it send the rest. */
  readonly goOn: () => void;

  /** Sends this head in the place of a good one. */
  constructor(cut: number, otherHead?: string) {
    const { promise, resolve } = Promise.withResolvers<void>();
    super((asked) => {
      const validator = asked.headers.has("range") && { lastModified: MODIFIED };
      const [head, body] = serveResource(asked, { body: BODY, ...validator });
      return [otherHead ?? head, body.subarray(0, cut), promise, body.subarray(cut)];
    });
    this.goOn = resolve;
  }

  override async [Symbol.asyncDispose]() {
    this.goOn();
    await super[Symbol.asyncDispose]();
  }
}

// protocol/progress_test.ts has the line itself, in any width
testPeer("fetch.ts shows how far it is, in 80 columns", ["python3"], async () => {
  await using folder = new Folder();
  await using origin = new Pausing(500_000);
  await using running = terminal(folder, 80, ["-o", "f", origin.url()]);
  await running.heard("stdout", /50% +\d+\.\d [KM]iB\/s/);
  assertEquals(screen(running.stdout, 80).length, 3, "the line wraps");
  origin.goOn();
  const [code, ...lines] = await ended(running, 80);
  assertEquals(code, EXIT.ok);
  assertEquals(lines.slice(0, 2), ["HTTP/1.1 200 OK", "Content-Length: 1000000"]);
  assertMatch(lines[2]!, /^saved f \(1,000,000 bytes in \d+\.\d\d s\)$/);
  assertEquals(lines.slice(3), [""]);
  for (const frame of frames(running)) {
    assertMatch(frame, /^f \[=+ +\] +\d+% +\d+(\.\d)? ([KMG]i)?B\/s( +[\d:]+)?$/);
    assert(frame.length < 80, frame);
  }
});

testPeer("fetch.ts shows a name of wide letters, in 40 columns", ["python3"], async () => {
  await using folder = new Folder();
  await using origin = new Pausing(500_000);
  const name = "你好世界".repeat(10);
  await using running = terminal(folder, 40, [origin.url(`/${name}`)]);
  await running.heard("stdout", /50% +\d+\.\d [KM]iB\/s/);
  assertEquals(screen(running.stdout, 40).length, 3, "the line wraps");
  origin.goOn();
  const [code] = await ended(running, 40);
  assertEquals([code, folder.names], [EXIT.ok, [name]]);
  assert(frames(running).every((frame) => /^你好.*…/.test(frame) && width(frame) < 40));
});

testPeer("fetch.ts shows how much came of who knows what, and nothing of what is done", [
  "python3",
], async () => {
  await using folder = new Folder();
  await using origin = new Pausing(500_000, "HTTP/1.0 200 OK\r\n\r\n");
  const seen = Promise.withResolvers<void>();
  await using quick = new Origin(() => [seen.promise, ...response("200 OK", "body")]);
  const args = ["-j2", "-o", "g", "-o", "f\x1b[2J", quick.url(), origin.url()];
  await using running = terminal(folder, 80, args);
  await running.heard("stdout", /2 files +488\.3 KiB/);
  seen.resolve();
  await running.heard("stdout", /f\\x1b\[2J +488\.3 KiB +\d+\.\d [KM]iB\/s/);
  origin.goOn();
  const [code, ...lines] = await ended(running, 80);
  assertEquals([code, lines.length], [EXIT.ok, 6]);
  assert(frames(running).every((frame) => frame.length < 80 && !frame.includes("%")));
});

testPeer("fetch.ts -C starts with what was there", ["python3"], async () => {
  await using folder = new Folder();
  await using origin = new Pausing(100_000);
  folder.write("f.part", BODY.subarray(0, 600_000));
  writeRecord(folder, "f.part", { url: origin.url(), total: BODY.length });
  await using running = terminal(folder, 80, ["-C", "-o", "f", origin.url()]);
  await running.heard("stdout", /70% +\d+(\.\d)? ([KM]i)?B\/s/);
  origin.goOn();
  const [code] = await ended(running, 80);
  assertEquals([code, folder.names], [EXIT.ok, ["f"]]);
  assert(isSame(folder.bytes("f"), BODY));
});

testPeer("fetch.ts leaves the terminal as it was on Ctrl+C", ["python3"], async () => {
  await using folder = new Folder();
  await using origin = new Origin(
    () => [response("200 OK", BODY)[0], BODY.slice(0, 500_000), HOLD],
  );
  await using running = terminal(folder, 80, ["-o", "f", origin.url()]);
  await running.heard("stdout", /50% /);
  await running.type(CTRL_C);
  const [code, ...lines] = await ended(running, 80);
  assertEquals([code, folder.names], [EXIT.interrupted, ["f.part", "f.part.json"]]);
  const last = lines.slice(2).join("");
  // the terminal itself may have shown ^C, on a line of its own or not
  assertMatch(last, /^(.*\^C)?fetch: interrupted \(f\.part has 500000 of 1000000 bytes\)$/);
  assertEquals(lines.at(-1), "", "the next prompt would not start a line");
});

testPeer("fetch.ts leaves nothing of the line of a very fast download", ["python3"], async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("200 OK", "body"));
  await using running = terminal(folder, 80, ["-o", "f", origin.url()]);
  const [code, ...lines] = await ended(running, 80);
  assertEquals([code, ...lines.slice(0, 2)], [EXIT.ok, "HTTP/1.1 200 OK", "Content-Length: 4"]);
  assertMatch(lines[2]!, /^saved f \(4 bytes in /);
  assertEquals(lines.slice(3), [""]);
});

testPeer("fetch.ts gives a retry a line of its own", ["python3"], async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked, count) =>
    serveResource(asked, { body: BODY, cut: count === 1 ? 500_000 : BODY.length })
  );
  await using running = terminal(folder, 80, ["-o", "f", origin.url()]);
  await running.heard("stdout", /; trying again in 1 s\r\n[^]*50% /);
  const [code, ...lines] = await ended(running, 80);
  assertEquals(code, EXIT.ok);
  const text = lines.join("");
  const retry =
    "fetch: the body was cut short: received 500000 bytes, expected 1000000; trying again in 1 s";
  assert(text.includes(retry), text);
  assert(!text.includes("%"), "a progress line is left");
});

testPeer("fetch.ts --silent draws no line", ["python3"], async () => {
  await using folder = new Folder();
  await using origin = new Origin((asked, count) =>
    serveResource(asked, { body: BODY, cut: count === 1 ? 500_000 : BODY.length })
  );
  await using running = terminal(folder, 80, ["-s", "-o", "f", origin.url()]);
  assertEquals(await ended(running, 80), [EXIT.ok, ""]);
});

testPeer(
  "fetch.ts draws its line on stderr, whatever else is a terminal",
  ["python3"],
  async () => {
    await using folder = new Folder();
    await using origin = new Pausing(500_000);
    const around = ["sh", "-c", '"$@" </dev/null >out', "sh"];
    await using running = terminal(folder, 80, ["-o", "-", origin.url()], around);
    await running.heard("stdout", /50% /);
    origin.goOn();
    const [code] = await ended(running, 80);
    assertEquals(code, EXIT.ok);
    assert(isSame(folder.bytes("out"), BODY));
  },
);

testPeer(
  "fetch.ts draws no line and asks nothing where stderr is no terminal",
  ["python3"],
  async () => {
    await using folder = new Folder();
    await using origin = new Origin((asked, count) =>
      serveResource(asked, { body: BODY, cut: count === 1 ? 500_000 : BODY.length })
    );
    const around = ["sh", "-c", '"$@" 2>err', "sh"];
    await using running = terminal(folder, 80, ["-o", "f", origin.url()], around);
    assertEquals((await ended(running, 80))[0], EXIT.ok);
    assertMatch(folder.text("err"), /^fetch: [^\r\x1b]* in 1 s\nsaved f [^\r\x1b]*\n$/);
    await using other = terminal(folder, 80, ["-u", "ann", origin.url()], around);
    assertEquals((await ended(other, 80))[0], EXIT.usage);
    assertMatch(folder.text("err"), /^fetch: there is no terminal to ask for the password/);
  },
);

for (const columns of [0, 10]) {
  testPeer(`fetch.ts survives a terminal of ${columns} columns`, ["python3"], async () => {
    await using folder = new Folder();
    await using origin = new Pausing(500_000);
    const args = ["-o", "a-rather-long-name", "--json", origin.url()];
    await using running = terminal(folder, columns, args);
    await running.heard("stdout", /\x1b\[K[^]*\x1b\[K/);
    origin.goOn();
    const { code } = await running.child.status;
    assertEquals([code, folder.names], [EXIT.ok, ["a-rather-long-name"]]);
    // a terminal that does not tell its width has usually 80
    for (const frame of frames(running)) assert(frame.length <= (columns || 80), frame);
  });
}

testPeer("fetch.ts -o - shows text on a terminal, and no line in it", ["python3"], async () => {
  await using folder = new Folder();
  const { promise, resolve } = Promise.withResolvers<void>();
  await using server = new Origin(() => ["HTTP/1.0 200 OK\r\n\r\n", "one\r\ntw", promise, "o\r\n"]);
  await using running = terminal(folder, 80, ["-o", "-", server.url()]);
  await using other = terminal(folder, 80, ["-o", "f", server.url()]);
  await running.heard("stdout", /tw/);
  await other.heard("stdout", /B\/s/); // by now the other one would have drawn its line, too
  resolve();
  const [code, ...lines] = await ended(running, 80);
  assertEquals([code, ...lines.slice(0, 3)], [EXIT.ok, "HTTP/1.0 200 OK", "one", "two"]);
});

testPeer("fetch.ts -o - gives no binary data to a terminal", ["python3"], async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("200 OK", "PK\x03\x04\0\0\x1b[31m"));
  await using running = terminal(folder, 200, ["-o", "-", origin.url()]);
  const [code, ...lines] = await ended(running, 200);
  assertEquals(code, EXIT.write);
  assertMatch(
    lines.join("\n"),
    /\nfetch: cannot write stdout: binary data .* terminal \(-o FILE saves it\)\n$/,
  );
  assert(!running.stdout.includes("PK"));
});

testPeer("fetch.ts -u USER asks for the password, sends it, and shows again what is typed", [
  "python3",
], async () => {
  await using folder = new Folder();
  const asked = Promise.withResolvers<void>(), seen = Promise.withResolvers<void>();
  await using origin = new Origin(() => {
    asked.resolve();
    return [seen.promise, ...response("200 OK", "body")];
  });
  await using running = terminal(folder, 80, ["-v", "-u", "ann", "-o", "f", origin.url()]);
  await running.heard("stdout", /Password of ann:/);
  await running.type("s\u00e9cret word\r");
  await asked.promise;
  await running.type("visible");
  await running.heard("stdout", /visible/);
  seen.resolve();
  const { code, stdout } = await running.ended();
  assertEquals([code, folder.text("f")], [EXIT.ok, "body"], stdout);
  const { headers } = origin.requests[0]!;
  const sent = headers.get("authorization")!.replace("Basic ", "");
  const bytes = Uint8Array.from(atob(sent), (char) => char.charCodeAt(0));
  assertEquals(new TextDecoder().decode(bytes), "ann:s\u00e9cret word");
  const dialogue = stdout.slice(stdout.indexOf("* Connecting"));
  assert(!/cret|word|the terminal is in another mode/.test(dialogue), dialogue);
});

testPeer("fetch.ts -u USER hears backspaces, Ctrl+U and a Ctrl+C before the answer", [
  "python3",
], async () => {
  await using folder = new Folder();
  await using origin = new Origin(() => response("200 OK", "body"));
  const args = ["-u", "ann", "-o", "f", origin.url()];
  await using running = terminal(folder, 80, args);
  await running.heard("stdout", /Password of ann:/);
  await running.type(`wrong${CTRL_U}ri\u00fc${BACKSPACE}ght${CTRL_D}`);
  assertEquals((await running.ended()).code, EXIT.ok);
  const { headers } = origin.requests[0]!;
  assertEquals(headers.get("authorization"), `Basic ${btoa("ann:right")}`);
  await using other = terminal(folder, 80, args);
  await other.heard("stdout", /Password of ann:/);
  await other.type(`half${CTRL_C}`);
  const { code, stdout } = await other.ended();
  assertEquals([code, origin.requests.length], [EXIT.interrupted, 1]);
  assertMatch(stdout, /^[^\n]*\nfetch: interrupted\r\n$/);
});
