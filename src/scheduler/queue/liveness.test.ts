import { describe, expect, it } from 'vitest';
import { Liveness } from './liveness.js';

const member = (id: string, remainingMs: number) => ({ id, remainingMs, said: `${id} said` });

describe('liveness', () => {
  it('greets each member once', () => {
    const liveness = new Liveness(100);
    expect(liveness.read([member('a', 50)], 0)).toEqual({ gone: [], fresh: [member('a', 50)] });
    expect(liveness.read([member('a', 50), member('b', 1)], 10)).toEqual({ gone: [], fresh: [member('b', 1)] });
  });

  it('tells once of a lease that ended, and greets a member that comes back', () => {
    const liveness = new Liveness(100);
    liveness.read([member('a', 50)], 0);
    expect(liveness.read([member('a', 0)], 60).gone).toEqual(['a']);
    expect(liveness.read([member('a', -10)], 70)).toEqual({ gone: [], fresh: [] });
    expect(liveness.read([member('a', 50)], 80).fresh).toEqual([member('a', 50)]);
  });

  it('never greets a member whose lease had ended before', () => {
    expect(new Liveness(100).read([member('a', -1)], 0)).toEqual({ gone: [], fresh: [] });
  });

  it('gives members that Redis lost one lease to come back', () => {
    const liveness = new Liveness(100);
    liveness.read([member('a', 50), member('b', 50)], 0);
    expect(liveness.read([], 99).gone).toEqual([]);
    expect(liveness.read([member('a', 50)], 100)).toEqual({ gone: ['b'], fresh: [] });
  });

  it('takes any message for a sign of life', () => {
    const liveness = new Liveness(100);
    liveness.heard('a', 0);
    expect(liveness.has('a')).toBe(true);
    liveness.heard('a', 60);
    expect(liveness.read([], 159).gone).toEqual([]);
    expect(liveness.read([], 160).gone).toEqual(['a']);
    expect(liveness.has('a')).toBe(false);
  });

  it('forgets who said goodbye', () => {
    const liveness = new Liveness(100);
    liveness.heard('a', 0);
    liveness.forget('a');
    expect(liveness.read([], 1000).gone).toEqual([]);
  });
});
