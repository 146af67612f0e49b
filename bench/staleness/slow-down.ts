import { readFileSync } from 'node:fs';
import { treeOf } from '../common/memory.js';

/** `one`: always the first process. `turns`: each for a while, so that all are as fast in the long run. */
export type Slow = 'none' | 'one' | 'turns';

/** Short beside a training step, long beside a timer's accuracy. */
const PERIOD_MS = 16;
const TURN_MS = 250;

/** Processes of the slots that a process and all below it have. */
export function slotsOf(root: number): number[] {
  const commandLine = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return ''; // it has ended
    }
  };
  return treeOf(root).filter((pid) => isSlot(commandLine(pid).split('\0')));
}

/** A slot's guardian, a shell, names the slot's program too. Pure. */
export function isSlot([program = '', ...options]: readonly string[]): boolean {
  return /\bnode$/.test(program) && options.some((option) => option.endsWith('slot-main.js'));
}

/** When a process stands still: of every period the end, by the factor. Pure. */
export function isHeld(
  ms: number,
  index: number,
  { slow, factor, count }: { slow: Slow; factor: number; count: number },
) {
  if (slow === 'none') return false;
  const turn = slow === 'one' ? 0 : Math.floor(ms / TURN_MS) % count;
  return index === turn && (ms % PERIOD_MS) / PERIOD_MS >= 1 / factor;
}

/**
 * Makes processes so many times slower, by stopping and continuing them (SIGSTOP, SIGCONT): whatever they run is slowed, and
 * nothing in it knows. Until the returned function is called; none is left stopped.
 */
export function slowDown(pids: readonly number[], slow: Slow, factor: number): () => void {
  const begun = performance.now();
  const held = pids.map(() => false);
  const set = (index: number, hold: boolean) => {
    if (held[index] === hold) return;
    held[index] = hold;
    try {
      process.kill(pids[index]!, hold ? 'SIGSTOP' : 'SIGCONT');
    } catch {
      // it has ended
    }
  };
  const tick = () => {
    const ms = performance.now() - begun;
    pids.forEach((_, index) => void set(index, isHeld(ms, index, { slow, factor, count: pids.length })));
  };
  const release = () => pids.forEach((_, index) => void set(index, false));
  const timer = slow === 'none' ? undefined : setInterval(tick, 1);
  process.once('exit', release);
  return () => {
    clearInterval(timer);
    process.removeListener('exit', release);
    release();
  };
}
