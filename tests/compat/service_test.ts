/**
 * client.ts with services that do not greet, and as the health check of a balancer.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "jsr:@std/assert@^1.0.0";
import { quickServer } from "../support/caller.ts";
import { runClient } from "../support/client.ts";
import { startPeer, testPeer } from "../support/peers.ts";
import { ROOT, run } from "../support/process.ts";
import { closedPort } from "../support/servers.ts";

testPeer("client.ts asks Redis for its PONG", ["redis-server"], async () => {
  await using redis = await startPeer((folder, port) => ({
    command: ["redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder],
  }));
  const ping = ["--send", "PING\\r\\n", "--expect", "+PONG\\r\\n"];
  const { code, stdout } = await runClient(redis.port, ping);
  assertEquals([code, stdout], [0, `127.0.0.1:${redis.port} answered "+PONG\\r\\n"\n`]);
  const again = await runClient(redis.port, [...ping, "--ping", "-c3", "--interval", "0"]);
  assertStringIncludes(again.stdout, "\n3 sent, 3 received, 0 lost (0 %), ");
  const wrong = await runClient(redis.port, ["--send", "PUNG\\r\\n", "--expect", "+PONG\\r\\n"]);
  assertEquals(wrong.code, 1);
  assertMatch(wrong.stderr, /: "-ERR unknown command 'PUNG'.*" instead of "\+PONG\\r\\n"\n$/);
});

testPeer("client.ts reads the banner of sshd", ["sshd"], async () => {
  await using sshd = await startPeer(async (folder, port) => {
    if (Deno.uid() === 0) await Deno.mkdir("/run/sshd", { recursive: true }); // as its service does
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${folder}/key`]);
    const options = [`ListenAddress=127.0.0.1:${port}`, `PidFile=${folder}/pid`];
    return {
      command: [
        "sshd",
        "-D",
        "-h",
        `${folder}/key`,
        ...options.flatMap((option) => ["-o", option]),
      ],
    };
  });
  const { code } = await runClient(sshd.port, ["--expect", "SSH-2.0-"]);
  assertEquals(code, 0);
  const greeted = await runClient(sshd.port, ["Ada"]);
  assertEquals(greeted.code, 1);
  assertMatch(
    greeted.stderr,
    /: "SSH-2\.0-.*" instead of "Welcome!" \(is this a greeting server\?\)/,
  );
});

testPeer("client.ts reads the first line of nginx", ["nginx"], async () => {
  await using nginx = await startPeer(async (folder, port) => {
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
    await Deno.writeTextFile(
      `${folder}/nginx.conf`,
      `daemon off; pid ${folder}/pid; error_log ${folder}/log; events {}
      http { access_log off; ${paths} server { listen 127.0.0.1:${port}; return 204; } }`,
    );
    return { command: ["nginx", "-c", `${folder}/nginx.conf`], forks: true };
  });
  const get = ["--send", "GET / HTTP/1.1\\r\\nHost: here\\r\\n\\r\\n"];
  const good = await runClient(nginx.port, [...get, "--expect", "HTTP/1.1 204 No Content\\r\\n"]);
  assertEquals([good.code, good.stderr], [0, ""]);
  const other = await runClient(nginx.port, [...get, "--expect", "HTTP/1.1 200 "]);
  assertEquals(other.code, 1);
  assertStringIncludes(other.stderr, '"HTTP/1.1 204 No Content\\r\\n');
});

testPeer("client.ts is a health check of HAProxy", ["haproxy"], async () => {
  await using server = quickServer();
  await using haproxy = await startPeer(async (folder, port) => {
    const check = `${folder}/check`;
    await Deno.writeTextFile(
      check,
      `#!/bin/sh\nexec '${Deno.execPath()}' run --no-prompt "--allow-net=$3:$4" '${ROOT}client.ts' ` +
        '--hostname "$3" --port "$4" --quiet --timeout 5 Health\n',
      { mode: 0o755 },
    );
    await Deno.writeTextFile(
      `${folder}/haproxy.cfg`,
      `global
  external-check
  insecure-fork-wanted
  log stdout format raw local0
defaults
  log global
  timeout connect 9s
  timeout client 9s
  timeout server 9s
frontend here
  bind 127.0.0.1:${port}
  default_backend greeting
backend greeting
  option external-check
  external-check path "/usr/bin:/bin"
  external-check command ${check}
  server up 127.0.0.1:${server.addr.port} check
  server down 127.0.0.1:${closedPort()} check
`,
    );
    return { command: ["haproxy", "-f", `${folder}/haproxy.cfg`], forks: true };
  });
  await haproxy.running.heard(
    "stdout",
    /greeting\/down is DOWN, reason: External check error, code: 7/,
  );
  assert(!haproxy.running.stdout.includes("greeting/up is DOWN"), haproxy.running.stdout);
});
