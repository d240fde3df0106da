/**
 * SOCKS5 against a proxy that is written down byte by byte, and each thing it may say.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertThrows } from "jsr:@std/assert@^1.0.0";
import { type Address, EXIT, TrioError } from "../../mod.ts";
import { socks5, type SocksUser } from "../../protocol/socks5.ts";
import { fc } from "../support/fuzz.ts";

const TARGET: Address = { hostname: "a.example", port: 443 };
const USER: SocksUser = { name: "me", password: "secret" };

/** Talks to a proxy that says `reply`, whatever it hears; what it heard, and what was not read. */
function talk(reply: number[], target = TARGET, user?: SocksUser) {
  const sent: number[][] = [], left = [...reply];
  const dialogue = socks5(target, user);
  let step = dialogue.next();
  while (!step.done) {
    const { send, read } = step.value;
    if (send.length > 0) sent.push([...send]);
    assert(left.length >= read, `${read} bytes are asked for, ${left.length} are there`);
    step = dialogue.next(Uint8Array.from(left.splice(0, read)));
  }
  return { sent, left };
}

function refused(reply: number[], target = TARGET, user?: SocksUser): string {
  const error = assertThrows(() => talk(reply, target, user), TrioError);
  assertEquals(error.code, EXIT.connect);
  const [, why] = /^the SOCKS proxy does not connect to [^ ]+:443: (.*)$/.exec(error.message) ?? [];
  return why!;
}

/** What CONNECT has for a host, from the type of its address on. */
function addressOf(hostname: string, port = 443): number[] {
  return talk([5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0], { hostname, port }).sent[1]!.slice(3);
}

const OK_IPV4 = [5, 0, 0, 1, 10, 0, 0, 1, 4, 210];
const ascii = (text: string) => [...new TextEncoder().encode(text)];

Deno.test("socks5 asks for a connection without user", () => {
  const { sent } = talk([5, 0, ...OK_IPV4]);
  assertEquals(sent, [[5, 1, 0], [5, 1, 0, 3, 9, ...ascii("a.example"), 1, 187]]);
});

Deno.test("socks5 sends user and password where the proxy wants them, and only there", () => {
  const { sent } = talk([5, 2, 1, 0, ...OK_IPV4], TARGET, USER);
  assertEquals(sent.slice(0, 2), [[5, 2, 0, 2], [1, 2, ...ascii("me"), 6, ...ascii("secret")]]);
  assertEquals(talk([5, 0, ...OK_IPV4], TARGET, USER).sent.length, 2);
  // a proxy that gives the version of SOCKS instead of that of the subnegotiation
  assertEquals(talk([5, 2, 5, 0, ...OK_IPV4], TARGET, USER).sent.length, 3);
});

Deno.test("socks5 sends each kind of address, ports in network order", () => {
  assertEquals(addressOf("192.0.2.255"), [1, 192, 0, 2, 255, 1, 187]);
  assertEquals(addressOf("::", 80), [4, ...new Array(16).fill(0), 0, 80]);
  assertEquals(addressOf("[::1]", 65535), [4, ...new Array(15).fill(0), 1, 255, 255]);
  const full = [4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 187];
  assertEquals(addressOf("2001:db8::5"), full);
  assertEquals(addressOf("2001:DB8:0:0:0:0:0:5"), full);
  assertEquals(addressOf("fe80::"), [4, 0xfe, 0x80, ...new Array(14).fill(0), 1, 187]);
  assertEquals(
    addressOf("1:2:3:4:5:6:7:8").slice(1, 17),
    [1, 2, 3, 4, 5, 6, 7, 8].flatMap((n) => [0, n]),
  );
  assertEquals(addressOf("::ffff:192.0.2.1").slice(11, 17), [255, 255, 192, 0, 2, 1]);
  assertEquals(addressOf("999.0.2.1"), [3, 9, ...ascii("999.0.2.1"), 1, 187]);
  assertEquals(addressOf("a".repeat(255)).slice(0, 2), [3, 255]);
  assertEquals(addressOf("é.example").slice(0, 2), [3, 10]);
});

Deno.test("socks5 sends the bytes of every IPv6 address as the system writes it", () => {
  fc.assert(fc.property(fc.ipV6(), (hostname) => {
    const sent = addressOf(hostname);
    assertEquals([sent[0], sent.length], [4, 19]);
    const groups = Array.from(
      { length: 8 },
      (_, at) => sent[1 + 2 * at]! * 256 + sent[2 + 2 * at]!,
    );
    const written = groups.map((group) => group.toString(16)).join(":");
    assertEquals(new URL(`http://[${written}]`).hostname, new URL(`http://[${hostname}]`).hostname);
  }));
});

Deno.test("socks5 reads its reply with each kind of address and not a byte more", () => {
  const tls = [22, 3, 1, 5, 0, 0, 1];
  for (
    const address of [
      [1, 1, 2, 3, 4],
      [4, ...new Array(16).fill(5)],
      [3, 9, ...ascii("b.example")],
      [3, 0],
      [3, 255, ...new Array(255).fill(5)],
    ]
  ) {
    const { left } = talk([5, 0, 5, 0, 0, ...address, 0, 80, ...tls]);
    assertEquals(left, tls);
  }
});

Deno.test("socks5 has a sentence for each code, read before what may not come behind it", () => {
  assertEquals(refused([5, 0, 5, 1]), "it failed, perhaps to resolve the name (code 1)");
  assertEquals(refused([5, 0, 5, 2]), "its rules do not allow it (code 2)");
  assertEquals(refused([5, 0, 5, 3]), "the network is unreachable (code 3)");
  assertEquals(
    refused([5, 0, 5, 4]),
    "the host is unreachable, or its name is not resolved (code 4)",
  );
  assertEquals(refused([5, 0, 5, 5]), "connection refused (code 5)");
  assertEquals(refused([5, 0, 5, 6]), "no answer in time (code 6)");
  assertEquals(refused([5, 0, 5, 7]), "it makes no connections for others (code 7)");
  assertEquals(refused([5, 0, 5, 8]), "it takes no names, only addresses (code 8)");
  const at = (hostname: string) => ({ hostname, port: 443 });
  assertEquals(refused([5, 0, 5, 1], at("::1")), "it failed (code 1)");
  assertEquals(refused([5, 0, 5, 8], at("192.0.2.1")), "it takes no IPv4 addresses (code 8)");
  assertEquals(refused([5, 0, 5, 8], at("::1")), "it takes no IPv6 addresses (code 8)");
  assertEquals(refused([5, 0, 5, 0x5b]), "it does not say why (code 91)");
  assertEquals(refused([5, 0, 5, 255]), "it does not say why (code 255)");
});

Deno.test("socks5 says what kind of proxy refuses it, or that it is none", () => {
  assertEquals(refused([5, 255]), "it wants a user and a password");
  assertEquals(refused([5, 2]), "it wants a user and a password");
  assertEquals(
    refused([5, 255], TARGET, USER),
    "it wants another kind of login than user and password",
  );
  assertEquals(
    refused([5, 1], TARGET, USER),
    "it wants another kind of login than user and password",
  );
  assertEquals(refused([5, 2, 1, 1], TARGET, USER), "the user or the password is wrong");
  assertEquals(refused([5, 2, 1, 255], TARGET, USER), "the user or the password is wrong");
  assertEquals(refused([...ascii("HT")]), "it is an HTTP proxy");
  assertEquals(refused([0, 90]), "it does not speak SOCKS5");
  assertEquals(refused([4, 90]), "it does not speak SOCKS5");
  assertEquals(refused([5, 0, 4, 0]), "it does not speak SOCKS5");
  assertEquals(refused([5, 0, 5, 0, 0, 2]), "its reply has an address of unknown type 2");
  assertEquals(refused([5, 0, 5, 0, 0, 0]), "its reply has an address of unknown type 0");
});

Deno.test("socks5 refuses at once what its messages have no room for", () => {
  const code = (target: Address, user?: SocksUser) =>
    assertThrows(() => socks5(target, user), TrioError).code;
  assertEquals(code({ hostname: "a".repeat(256), port: 80 }), EXIT.url);
  assertEquals(code({ hostname: "é".repeat(128), port: 80 }), EXIT.url);
  assertEquals(code(TARGET, { name: "", password: "x" }), EXIT.usage);
  assertEquals(code(TARGET, { name: "u".repeat(256), password: "" }), EXIT.usage);
  assertEquals(code(TARGET, { name: "u", password: "é".repeat(128) }), EXIT.usage);
  const longest = { name: "u".repeat(255), password: "p".repeat(255) };
  assertEquals(talk([5, 2, 1, 0, ...OK_IPV4], TARGET, longest).sent[1]!.length, 513);
  assertEquals(
    talk([5, 2, 1, 0, ...OK_IPV4], TARGET, { name: "u", password: "" }).sent[1]!.length,
    4,
  );
});

Deno.test("socks5 connects or gives a TrioError that tells no secret, whatever comes", () => {
  const byte = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 5), fc.nat(255));
  fc.assert(fc.property(fc.array(byte, { maxLength: 30 }), fc.boolean(), (reply, login) => {
    const endless = [...reply, ...new Array(300).fill(0)];
    try {
      talk(endless, TARGET, login ? USER : undefined);
    } catch (error) {
      assert(error instanceof TrioError);
      assertMatch(error.message, /^the SOCKS proxy does not connect to a\.example:443: ./);
      assert(!error.message.includes("secret"));
    }
  }));
});
