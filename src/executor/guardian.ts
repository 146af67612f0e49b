import { type ChildProcess, type SerializationType, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { constants } from 'node:os';

/**
 * Children that never outlive their parent.
 *
 * Every process that Sheaf starts (slot, executor, redis-server, parameter server) runs under a guardian: a POSIX shell
 * of about 1 MB, in a session of its own, that holds one end of a socket (the lifeline) to the parent.
 * - The lifeline closes, for whatever reason, `kill -9` of the parent included: the child's process group is killed, its
 *   grandchildren with it, and the child's directory removed.
 * - The child ends by itself: what it left of its group is killed, the directory removed, its exit code passed on.
 * - The guardian itself is killed: its watcher (a second process) still holds the lifeline, and the parent closes it.
 * - The watcher is killed: nobody reads the lifeline any more, so the parent asks the guardian (SIGUSR1) to kill the group.
 * A directory into which others still write (slots whose own guardians are a moment later) takes more than one attempt.
 * A terminal's Ctrl-C reaches neither guardian nor child: the parent decides what ends when.
 *
 * A process group of one's own takes `setsid` (every Linux) or a shell with job control (macOS); dash has job control
 * only on a terminal. File descriptors: 3 is Node's IPC channel or nothing, 4 the lifeline, on which the guardian
 * writes the child's pid and reads names of signals to pass on.
 */
const GUARDIAN = `
directory=$1; shift
if command -v setsid >/dev/null 2>&1; then set -- setsid "$@"; else set -m; fi
exec 5<&0
"$@" <&5 4>&- 5<&- &
child=$!
set +m
trap '' PIPE
trap 'kill -s TERM "$child"' TERM INT HUP
trap 'kill -s KILL -- "-$child"; kill -s KILL "$child"' USR1
exec </dev/null >/dev/null 2>&1 3>&- 5<&-
(
  trap '' TERM INT HUP
  while read -r signal; do kill -s "$signal" "$child"; done <&4
  kill -s KILL -- "-$child"; kill -s KILL "$child"
) &
watcher=$!
echo "$child" >&4
while wait "$child"; status=$?; kill -s 0 "$child"; do :; done
trap '' USR1
kill -s KILL "$watcher"
kill -s KILL -- "-$child"
tries=50
[ -z "$directory" ] || until rm -rf -- "$directory" || [ $((tries -= 1)) -eq 0 ]; do sleep 0.1; done
exit "$status"
`;

export interface GuardOptions {
  /** Shown by `ps` as the guardian's name, and in errors. */
  readonly name: string;
  /** Complete environment of the child; default: this process's. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Removed, with all it holds, when the child has ended. */
  readonly directory?: string;
  /** Default `ignore`. */
  readonly stdin?: 'ignore' | 'pipe';
  /** Default `inherit`. */
  readonly stdout?: 'ignore' | 'pipe' | 'inherit';
  /** Default `inherit`. */
  readonly stderr?: 'ignore' | 'pipe' | 'inherit';
  /** Opens Node's IPC channel (`process.send`) to a child that is Node itself. Default none. */
  readonly ipc?: SerializationType;
}

export interface GuardedChild {
  readonly name: string;
  /** Streams and IPC channel of the child (`stdout`, `send`, `on('message')`). Its `pid` is the guardian's. */
  readonly process: ChildProcess;
  /** The child's own process id. @throws when no shell could be started to guard it. */
  readonly pid: Promise<number>;
  /** Exit code once child, group and directory are gone; 128 + n where signal n ended it, 127 where it was not found. */
  readonly ended: Promise<number>;
  /** Sends a signal to the child alone. Does nothing once it has ended. */
  signal(name: NodeJS.Signals): void;
  /**
   * Asks the child to end (SIGTERM) and kills its whole group after `graceMs` (default 2000; 0 kills at once).
   * @returns the exit code, as `ended`.
   */
  kill(graceMs?: number): Promise<number>;
  /** Lets this process end while the child runs (which then ends the child). */
  unref(): void;
}

/**
 * Starts `command` under a guardian.
 *
 * ```ts
 * const child = spawnGuarded(process.execPath, ['slot.js'], { name: 'slot-0', ipc: 'advanced', directory });
 * child.process.on('message', handle);
 * child.process.send({ hello: 1 });
 * await child.kill();
 * ```
 */
export function spawnGuarded(command: string, args: readonly string[], options: GuardOptions): GuardedChild {
  const { name, directory = '', stdin = 'ignore', stdout = 'inherit', stderr = 'inherit', ipc } = options;
  const guardian = spawn('/bin/sh', ['-c', GUARDIAN, `sheaf-guardian:${name}`, directory, command, ...args], {
    env: options.env,
    cwd: options.cwd,
    detached: true,
    serialization: ipc,
    stdio: [stdin, stdout, stderr, ipc ? 'ipc' : 'ignore', 'pipe'],
  });
  const lifeline = guardian.stdio[4] as Socket;
  // Its end is told by the guardian's exit; a broken pipe is no news.
  lifeline.on('error', () => {});

  const ended = new Promise<number>((resolve) => {
    guardian.once('error', (error) => finish(127, error));
    guardian.once('exit', (code, signal) => finish(code ?? 128 + constants.signals[signal!]));
    const finish = async (code: number, error?: Error) => {
      lifeline.destroy(error);
      // The guardian has done this, unless it was killed itself.
      if (directory) await rm(directory, { recursive: true, force: true }).catch(() => {});
      resolve(code);
    };
  });
  const pid = new Promise<number>((resolve, reject) => {
    lifeline.once('data', (line) => resolve(Number(line)));
    lifeline.once('close', () => reject(new Error(`${name}: ${command} could not be started`)));
  });
  pid.catch(() => {});

  const signal = (signalName: NodeJS.Signals) => {
    if (lifeline.writable) lifeline.write(`${signalName.replace(/^SIG/, '')}\n`);
  };
  return {
    name,
    process: guardian,
    pid,
    ended,
    signal,
    async kill(graceMs = 2000) {
      if (graceMs > 0) signal('SIGTERM');
      const deadline = setTimeout(() => {
        lifeline.destroy();
        // Once it has told the pid its traps are set; before, the closed lifeline is enough.
        pid.then(
          () => guardian.kill('SIGUSR1'),
          () => {},
        );
      }, graceMs);
      const code = await ended;
      clearTimeout(deadline);
      return code;
    },
    unref() {
      guardian.unref();
      guardian.channel?.unref();
      lifeline.unref();
    },
  };
}

/** What an exit code of `GuardedChild.ended` means, for messages: `exit code 3`, `killed by SIGKILL`. */
export function describeExit(code: number): string {
  const signal = Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
  if (signal === 'SIGKILL') return 'killed by SIGKILL (often: the machine ran out of memory)';
  if (signal === 'SIGABRT') return 'killed by SIGABRT (often: the JavaScript heap was full)';
  return signal ? `killed by ${signal}` : `exit code ${code}`;
}
