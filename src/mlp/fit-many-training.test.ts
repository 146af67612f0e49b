import { describe, expect, it } from 'vitest';
import { nextRound } from './fit-many-training.js';

describe('nextRound', () => {
  const standing = (member: number, step: number, until: number) => ({ member, step, until });

  it('goes to the next place where one of them has something to do', () => {
    expect(nextRound([standing(0, 10, 20), standing(2, 10, 15)])).toEqual({ members: [0, 2], from: 10, until: 15 });
  });

  it('lets those behind come up to the others first', () => {
    const all = [standing(0, 10, 20), standing(1, 5, 10), standing(2, 8, 16)];
    expect(nextRound(all)).toEqual({ members: [1], from: 5, until: 8 });
    expect(nextRound([standing(0, 10, 20), standing(1, 8, 10), standing(2, 8, 16)])).toEqual({
      ...{ members: [1, 2], from: 8, until: 10 },
    });
  });
});
