import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { secondsTo } from './progress.js';
import { isHeld, isSlot, slowDown } from './slow-down.js';

describe('secondsTo', () => {
  const stepLosses = [...Array(10).fill(1), ...Array(10).fill(0.5)];

  it('finds the end of the first steps whose mean is low enough, within its epoch', () => {
    const course = { stepLosses, epochSeconds: [10, 20], computeShare: 1 };
    expect(secondsTo(0.5, course)).toBeCloseTo(10 + 20 * 0.8);
    expect(secondsTo(1, course)).toBeCloseTo(8);
    expect(secondsTo(0.4, course)).toBeUndefined();
    expect(secondsTo(0.5, { ...course, stepLosses: stepLosses.fill(Number.NaN) })).toBeUndefined();
  });

  it('counts all when the last step reaches it', () => {
    expect(secondsTo(1, { stepLosses: Array(8).fill(1), epochSeconds: [3], computeShare: 1 })).toBe(3);
  });
});

describe('slowDown', () => {
  it('holds a process for the rest of every period', () => {
    const held = (slow: 'one' | 'turns', index: number) =>
      Array.from({ length: 8000 }, (_, i) => isHeld(i / 4, index, { slow, factor: 4, count: 2 })).filter(Boolean)
        .length / 8000;
    expect(held('one', 0)).toBeCloseTo(0.75, 1);
    expect(held('one', 1)).toBe(0);
    expect(held('turns', 0)).toBeCloseTo(0.375, 1);
    expect(held('turns', 1)).toBeCloseTo(0.375, 1);
  });

  it('means the slots themselves, not the shells that guard them', () => {
    const program = '/lib/dist/executor/slot-main.js';
    expect(isSlot(['/usr/bin/node', '--max-old-space-size=100', program, ''])).toBe(true);
    expect(isSlot(['/bin/sh', '-c', '…', 'sheaf-guardian:slot-0', '/usr/bin/node', program, ''])).toBe(false);
    expect(isSlot(['/usr/bin/node', '/lib/dist/executor/service-main.js', ''])).toBe(false);
    expect(isSlot([''])).toBe(false);
  });

  it('leaves no process stopped', async () => {
    const child = spawn('sleep', ['60']);
    const state = () => readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]![0];
    try {
      const restore = slowDown([child.pid!], 'one', 1e9);
      while (state() !== 'T') await sleep(2);
      restore();
      while (state() === 'T') await sleep(2);
    } finally {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    }
  });
});
