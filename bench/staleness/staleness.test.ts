import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { secondsTo } from './progress.js';
import { isHeld, isSlot, slowDown } from './slow-down.js';

describe('secondsTo', () => {
  const course = { losses: [2, 1, 0.5], epochSeconds: [10, 20, 30], computeShare: 1 };

  it('finds where the loss falls below the target between the middles of two epochs', () => {
    expect(secondsTo(1, course)).toBeCloseTo(20);
    expect(secondsTo(1.5, course)).toBeCloseTo(12.5);
    expect(secondsTo(0.6, course)).toBeCloseTo(40);
  });

  it('is the first epoch’s middle at once, and none when it never does', () => {
    expect(secondsTo(3, course)).toBe(5);
    expect(secondsTo(0.4, course)).toBeUndefined();
    expect(secondsTo(1, { ...course, losses: [Number.NaN, Number.NaN, Number.NaN] })).toBeUndefined();
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
