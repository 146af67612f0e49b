import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { entryPoint } from '../protocol/entry.js';
import { describeExit, type GuardedChild, spawnGuarded } from './guardian.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'guardian-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const node = (script: string, options: Partial<Parameters<typeof spawnGuarded>[2]> = {}): GuardedChild =>
  spawnGuarded(process.execPath, ['-e', script], { name: 'test', ...options });

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie that nobody has waited for yet is dead (its parent may be an init process in no hurry).
    return !/^State:\s+Z/m.test(existsSync('/proc/self') ? readFileSync(`/proc/${pid}/status`, 'utf8') : '');
  } catch {
    return false;
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`waited 10 s in vain: ${what}`);
}

describe('a guarded child', () => {
  it('passes on its exit code, and which signal ended it', async () => {
    expect(await node('process.exit(7)').ended).toBe(7);
    expect(await node('process.kill(process.pid, "SIGKILL")').ended).toBe(137);
    expect(describeExit(137)).toContain('SIGKILL');
    expect(describeExit(7)).toBe('exit code 7');
  });

  it('has the arguments, environment and streams it was given', async () => {
    const child = spawnGuarded('sh', ['-c', 'read line; echo "$1|$WORD|$line"', 'sh', `a 'b" $c\n*`], {
      name: 'test',
      env: { PATH: process.env.PATH, WORD: 'x y' },
      stdin: 'pipe',
      stdout: 'pipe',
    });
    let out = '';
    child.process.stdout!.on('data', (chunk) => {
      out += chunk;
    });
    child.process.stdin!.end('from the parent\n');
    await once(child.process, 'close');
    expect(out).toBe(`a 'b" $c\n*|x y|from the parent\n`);
  });

  it('speaks over Node’s IPC channel, both ways, with binary data', async () => {
    const child = node(
      'process.on("message", (m) => process.send({ pid: process.pid, back: m.numbers.map((x) => 2 * x) }))',
      {
        ipc: 'advanced',
      },
    );
    child.process.send({ numbers: new Float32Array([1, 2.5]) });
    const [answer] = await once(child.process, 'message');
    expect(answer).toEqual({ pid: await child.pid, back: new Float32Array([2, 5]) });
    expect(await child.kill()).toBe(143);
  });

  it('sees the end of the IPC channel when the parent disconnects', async () => {
    const child = node('process.on("disconnect", () => process.exit(4))', { ipc: 'advanced' });
    child.process.disconnect();
    expect(await child.ended).toBe(4);
  });

  it('may end politely, and is killed when it does not', async () => {
    const ready = (child: GuardedChild) => once(child.process, 'message');
    const polite = node('process.on("SIGTERM", () => process.exit(3)); setInterval(() => {}, 1000); process.send(1)', {
      ipc: 'json',
    });
    await ready(polite);
    expect(await polite.kill(10_000)).toBe(3);
    const stubborn = node('process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); process.send(1)', {
      ipc: 'json',
    });
    await ready(stubborn);
    expect(await stubborn.kill(20)).toBe(137);
  });

  it('takes signals by name; a stopped child is not taken for an ended one', async () => {
    const child = node('process.on("SIGUSR2", () => process.exit(9)); setInterval(() => {}, 1000); process.send(1)', {
      ipc: 'json',
    });
    await once(child.process, 'message');
    child.signal('SIGSTOP');
    child.signal('SIGUSR2');
    const early = await Promise.race([child.ended, new Promise((resolve) => setTimeout(resolve, 50, 'still there'))]);
    expect(early).toBe('still there');
    child.signal('SIGCONT');
    expect(await child.ended).toBe(9);
    child.signal('SIGTERM');
  });

  it('leaves neither grandchildren nor its directory when it ends by itself', async () => {
    const scratch = join(directory, 'scratch');
    mkdirSync(scratch);
    writeFileSync(join(scratch, 'block'), 'bytes');
    const note = join(directory, 'pid');
    const child = spawnGuarded('sh', ['-c', `sleep 1000 & echo $! > '${note}'; exit 2`], {
      name: 'test',
      directory: scratch,
    });
    expect(await child.ended).toBe(2);
    await until('grandchild gone', () => !alive(Number(readFileSync(note, 'utf8'))));
    expect(existsSync(scratch)).toBe(false);
  });

  it('dies with a killed guardian', async () => {
    const scratch = join(directory, 'scratch');
    mkdirSync(scratch);
    const child = node('setInterval(() => {}, 1000)', { directory: scratch });
    const pid = await child.pid;
    process.kill(child.process.pid!, 'SIGKILL');
    expect(await child.ended).toBe(137);
    await until('child gone', () => !alive(pid));
    expect(existsSync(scratch)).toBe(false);
  });

  it('is killed in the end where its guardian’s watcher was killed', async () => {
    const scratch = join(directory, 'scratch');
    mkdirSync(scratch);
    const child = node('setInterval(() => {}, 1000)', { directory: scratch });
    const pid = await child.pid;
    const table = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).stdout.trim().split('\n');
    const pairs = table.map((line) => line.trim().split(/\s+/).map(Number));
    const watcher = pairs.find(([own, parent]) => parent === child.process.pid && own !== pid)![0]!;
    process.kill(watcher, 'SIGKILL');
    await until('watcher gone', () => !alive(watcher));
    expect(await child.kill(20)).toBe(137);
    await until('child gone', () => !alive(pid));
    expect(existsSync(scratch)).toBe(false);
  });

  it('dies with a parent that is killed with SIGKILL, grandchild and directory too', async () => {
    const scratch = join(directory, 'scratch');
    mkdirSync(scratch);
    const note = join(directory, 'pid');
    const parent = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { spawnGuarded } from ${JSON.stringify(entryPoint('executor/guardian.js'))};
         const child = spawnGuarded('sh', ['-c', 'sleep 1000 & echo $! > "$1"; wait', 'sh', ${JSON.stringify(note)}],
           { name: 'test', directory: ${JSON.stringify(scratch)} });
         console.log(await child.pid);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const pid = Number((await once(parent.stdout, 'data'))[0]);
    await until('grandchild started', () => existsSync(note) && readFileSync(note, 'utf8').endsWith('\n'));
    const grandchild = Number(readFileSync(note, 'utf8'));
    expect([alive(pid), alive(grandchild), existsSync(scratch)]).toEqual([true, true, true]);
    parent.kill('SIGKILL');
    await until('all gone', () => !alive(pid) && !alive(grandchild) && !existsSync(scratch));
  });

  it('reports a command that does not exist', async () => {
    const child = spawnGuarded('no-such-command', [], { name: 'test', stderr: 'ignore' });
    expect(await child.ended).toBe(127);
  });
});
