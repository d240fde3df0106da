import { assert, assertEquals, assertThrows } from "jsr:@std/assert@^1.0.0";
import fc from "npm:fast-check@^4.3.0";
import { type Address, TrioError } from "../../mod.ts";
import { type ProxyHeader, ProxyHeaderReader } from "../../protocol/proxy_header.ts";
import { encode } from "../support/bytes.ts";

const SIGNATURE = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10];

/** A header of version 2: command, family, and what follows their length. */
function binary(command: number, family: number, body: number[]): Uint8Array {
  return Uint8Array.of(...SIGNATURE, command, family, body.length >> 8, body.length & 255, ...body);
}

/** Two bytes, the high one first. */
const uint16 = (number: number) => [number >> 8, number & 255];

/** Reads `bytes` in pieces of these sizes, the last one again and again. */
function read(bytes: Uint8Array, sizes: number[] = [bytes.length]): ProxyHeader | undefined {
  const reader = new ProxyHeaderReader();
  let header: ProxyHeader | undefined, at = 0;
  for (let i = 0; at < bytes.length && !header; i++) {
    const size = sizes[Math.min(i, sizes.length - 1)]!;
    header = reader.take(bytes.subarray(at, at + size));
    at += size;
  }
  if (!header) return undefined;
  const rest = Uint8Array.of(...header.rest, ...bytes.subarray(at));
  return { ...header, rest };
}

/** Asserts that this is a header, in any pieces, with `rest` behind it. */
function isHeader(bytes: Uint8Array, client: Address | undefined, local = false) {
  const whole = Uint8Array.of(...bytes, ...encode("PROXY \r\n"));
  const expected = { client, local, rest: encode("PROXY \r\n") };
  assertEquals(read(whole), expected);
  assertEquals(read(whole, [1]), expected);
  for (let n = 0; n < bytes.length; n++) assertEquals(read(bytes.subarray(0, n)), undefined);
}

const V1: [line: string, client: Address | undefined][] = [
  ["TCP4 192.0.2.1 192.0.2.2 5000 9999", { hostname: "192.0.2.1", port: 5000 }],
  ["TCP4 255.255.255.255 255.255.255.255 65535 65535", {
    hostname: "255.255.255.255",
    port: 65535,
  }],
  ["TCP4 10.0.100.200 0.0.0.0 0 1", { hostname: "10.0.100.200", port: 0 }],
  ["TCP6 2001:db8::1 ::1 5000 9999", { hostname: "2001:db8::1", port: 5000 }],
  ["TCP6 ffff:f:ffff:ffff:ffff:ffff:ffff:ffff ::ffff:192.0.2.1 1 2", {
    hostname: "ffff:f:ffff:ffff:ffff:ffff:ffff:ffff",
    port: 1,
  }],
  ["UNKNOWN", undefined],
  ["UNKNOWN ffff::1 what ever", undefined],
];

for (const [line, client] of V1) {
  Deno.test(`ProxyHeaderReader reads "PROXY ${line}"`, () => {
    isHeader(encode(`PROXY ${line}\r\n`), client);
  });
}

Deno.test("ProxyHeaderReader reads a line of 107 bytes, and none of 108", () => {
  const line = (length: number) => encode(`PROXY UNKNOWN ${"x".repeat(length - 16)}\r\n`);
  isHeader(line(107), undefined);
  assertThrows(() => read(line(108)), TrioError, "no PROXY header");
  assertThrows(() => read(line(107).fill(120, 105)), TrioError, "no PROXY header");
});

for (
  const line of [
    "PROXY TCP4 192.0.2.1 192.0.2.2 5000\r\n",
    "PROXY TCP4 192.0.2.1 192.0.2.2 5000 9999 1\r\n",
    "PROXY TCP4 192.0.2.1 192.0.2.2 5000 9999\n",
    "PROXY TCP4 192.0.2.1  192.0.2.2 5000 9999\r\n",
    "PROXY TCP4 192.0.2.256 192.0.2.2 5000 9999\r\n",
    "PROXY TCP4 192.0.2.01 192.0.2.2 5000 9999\r\n",
    "PROXY TCP4 192.0.2 192.0.2.2 5000 9999\r\n",
    "PROXY TCP4 192.0.2.1 192.0.2 5000 9999\r\n",
    "PROXY TCP4 ::1 ::1 5000 9999\r\n",
    "PROXY TCP6 192.0.2.1 192.0.2.2 5000 9999\r\n",
    "PROXY TCP6 ::g ::1 5000 9999\r\n",
    "PROXY TCP6 ::1]:1/ ::1 5000 9999\r\n",
    "PROXY TCP6 fe80::1%lo ::1 5000 9999\r\n",
    "PROXY TCP4 192.0.2.1 192.0.2.2 65536 9999\r\n",
    "PROXY TCP4 192.0.2.1 192.0.2.2 5000 65536\r\n",
    "PROXY TCP4 192.0.2.1 192.0.2.2 05000 9999\r\n",
    "PROXY UDP4 192.0.2.1 192.0.2.2 5000 9999\r\n",
    "PROXY UNKNOWN\n",
    "PROXYTCP4 192.0.2.1 192.0.2.2 5000 9999\r\n",
    "Ada",
    "GET / HTTP/1.1\r\n",
    "proxy unknown\r\n",
  ]
) {
  Deno.test(`ProxyHeaderReader refuses ${JSON.stringify(line)}`, () => {
    assertThrows(() => read(encode(line)), TrioError, "no PROXY header");
    assertThrows(() => read(encode(line), [1]), TrioError, "no PROXY header");
  });
}

Deno.test("ProxyHeaderReader refuses at the first byte that cannot be one", () => {
  const reader = new ProxyHeaderReader();
  assertEquals(reader.take(encode("PRO")), undefined);
  assertThrows(() => reader.take(encode("T")), TrioError, "begins with something else");
});

Deno.test("ProxyHeaderReader reads TCP over IPv4 of version 2, with TLVs or without", () => {
  const body = [192, 0, 2, 1, 192, 0, 2, 2, ...uint16(5000), ...uint16(9999)];
  const client = { hostname: "192.0.2.1", port: 5000 };
  isHeader(binary(0x21, 0x11, body), client);
  isHeader(binary(0x21, 0x11, [...body, 4, 0, 3, 1, 2, 3]), client);
  assertThrows(() => read(binary(0x21, 0x11, body.slice(1))), TrioError, "addresses are cut");
});

Deno.test("ProxyHeaderReader reads TCP over IPv6 of version 2", () => {
  const loopback = [...Array(15).fill(0), 1], ports = [...uint16(65535), ...uint16(1)];
  const documentation = [0x20, 1, 0x0d, 0xb8, ...Array(11).fill(0), 0x0a];
  const mapped = [...Array(10).fill(0), 255, 255, 192, 0, 2, 1];
  const header = (source: number[]) => binary(0x21, 0x21, [...source, ...loopback, ...ports]);
  isHeader(header(documentation), { hostname: "2001:db8::a", port: 65535 });
  isHeader(header(loopback), { hostname: "::1", port: 65535 });
  isHeader(header(mapped), { hostname: "192.0.2.1", port: 65535 });
  assertThrows(() => read(binary(0x21, 0x21, loopback)), TrioError, "addresses are cut");
});

Deno.test("ProxyHeaderReader names no client for health checks and other families", () => {
  isHeader(binary(0x20, 0x00, []), undefined, true); // LOCAL, as HAProxy's checks
  isHeader(binary(0x20, 0x11, [1, 2, 3]), undefined, true);
  isHeader(binary(0x21, 0x00, [1, 2, 3]), undefined); // UNSPEC
  isHeader(binary(0x21, 0x31, Array(216).fill(0)), undefined); // UNIX
  isHeader(binary(0x21, 0x12, Array(12).fill(0)), undefined); // UDP
});

Deno.test("ProxyHeaderReader refuses versions and commands it does not know", () => {
  for (const command of [0x11, 0x22, 0x31, 0x01, 0xff]) {
    assertThrows(() => read(binary(command, 0x11, Array(12).fill(0))), TrioError, "unknown");
  }
});

Deno.test("ProxyHeaderReader gives the same header for any split, and all bytes behind it", () => {
  const header = fc.oneof(
    fc.constantFrom(...V1).map(([line]) => encode(`PROXY ${line}\r\n`)),
    fc.array(fc.nat(255), { minLength: 12, maxLength: 300 }).map((it) => binary(0x21, 0x11, it)),
    fc.array(fc.nat(255), { maxLength: 300 }).map((body) => binary(0x20, 0x00, body)),
  );
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
  fc.assert(fc.property(header, fc.uint8Array(), sizes, (header, rest, sizes) => {
    const bytes = Uint8Array.of(...header, ...rest);
    const whole = read(bytes);
    assertEquals(whole?.rest, rest);
    assertEquals(read(bytes, sizes), whole);
  }));
});

Deno.test("ProxyHeaderReader reads any bytes, or refuses them", () => {
  const begun = fc.constantFrom(
    Uint8Array.from(SIGNATURE),
    encode("PROXY "),
    encode("PROXY TCP4 "),
  );
  fc.assert(fc.property(begun, fc.uint8Array({ maxLength: 150 }), (begun, more) => {
    try {
      const header = read(Uint8Array.of(...begun, ...more));
      if (header?.client) assert(header.client.port <= 65535);
    } catch (error) {
      assert(error instanceof TrioError, String(error));
    }
  }));
});
