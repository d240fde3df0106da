/**
 * What may pass, and how long to wait for it.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { EXIT, TransientError, TrioError } from "../../mod.ts";
import { parseHead } from "../../protocol/head.ts";
import { pauseBefore, statusError } from "../../protocol/retry.ts";

const NOW = new Date("1994-11-06T08:49:37Z");

/** The error for an answer of this status, with these header lines. */
function errorOf(status: number, ...lines: string[]): TrioError {
  const head = parseHead([`HTTP/1.1 ${status} No\x1bt`, ...lines].join("\r\n"));
  return statusError({ url: "http://a/", status, statusText: head.statusText, head }, NOW);
}

Deno.test("statusError is transient for what may pass, and for nothing else", () => {
  const passing = [408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524];
  for (let status = 400; status < 600; status++) {
    const error = errorOf(status);
    assertEquals(error instanceof TransientError, passing.includes(status), `${status}`);
    assertEquals([error.code, error.topic], [EXIT.status, "status"]);
    assertEquals(error.message, `http://a/ answered ${status} No\\x1bt`);
  }
});

Deno.test("statusError has Retry-After in whole seconds or as a date, and no other", () => {
  const cases: [text: string, seconds: number | undefined][] = [
    ["0", 0],
    ["120", 120],
    ["Sun, 06 Nov 1994 08:50:37 GMT", 60],
    ["Sunday, 06-Nov-94 08:50:37 GMT", 60],
    ["Sun Nov  6 08:50:37 1994", 60],
    ["Sun, 06 Nov 1994 08:00:00 GMT", 0],
    ...["1.5", "-1", "2, 2", "soon", "", "1s", "0x10"].map((text) =>
      [text, undefined] as [string, undefined]
    ),
  ];
  for (const [text, seconds] of cases) {
    const error = errorOf(503, `Retry-After: ${text}`);
    assert(error instanceof TransientError);
    assertEquals(error.retryAfter, seconds, text);
    assertEquals(error.topic, seconds === undefined ? "status" : "retry after", text);
  }
  assertEquals((errorOf(404, "Retry-After: 5") as TransientError).retryAfter, undefined);
});

Deno.test("pauseBefore doubles up to a minute, unless the peer says how long, up to an hour", () => {
  const broken = new TransientError(EXIT.broken, "broke");
  const pauses = [1, 2, 3, 4, 7, 20].map((attempts) => pauseBefore(attempts, broken));
  assertEquals(pauses, [1, 2, 4, 8, 60, 60]);
  const told = (retryAfter: number) => new TransientError(EXIT.status, "busy", { retryAfter });
  assertEquals([0, 7, 3600, 3601].map((seconds) => pauseBefore(5, told(seconds))), [
    0,
    7,
    3600,
    undefined,
  ]);
});
