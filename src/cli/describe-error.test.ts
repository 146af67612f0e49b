import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeError } from './describe-error.js';

const ENGINE = new URL('../', import.meta.url).pathname;
afterEach(() => vi.unstubAllEnvs());

function withFrames(message: string, ...frames: string[]): Error {
  const error = new TypeError(message);
  error.stack = [`TypeError: ${message}`, ...frames.map((frame) => `    at ${frame}`)].join('\n');
  return error;
}

const main = 'async main (/home/me/job.ts:12:7)';
const engine = [`RDD.count (file://${ENGINE}rdd/rdd.js:3:4)`, 'process.task (node:internal/process:1:2)'];

describe('describeError', () => {
  it("shows the job's own lines only", () => {
    const error = withFrames('two\nlines', engine[0]!, main, ...engine, '/x/node_modules/commander/lib/command.js:1:2');
    expect(describeError(error)).toBe(`TypeError: two\nlines\n    at ${main}`);
  });

  it("shows all where none is the job's, or when asked", () => {
    const inner = withFrames('bug', ...engine, 'Array.map (<anonymous>)');
    expect(describeError(inner)).toBe(inner.stack);
    const error = withFrames('bug', main, ...engine);
    vi.stubEnv('SHEAF_DEBUG', '1');
    expect(describeError(error)).toBe(error.stack);
  });

  it('takes errors without frames, with another message in the stack, and what is no error', () => {
    const bare = new Error('no frames');
    bare.stack = 'Error: no frames';
    expect(describeError(bare)).toBe('Error: no frames');
    const changed = withFrames('early', main);
    changed.message = 'late';
    expect(describeError(changed)).toBe(`TypeError: late\n    at ${main}`);
    expect(describeError('oops')).toBe('the job threw a value that is no Error: oops');
  });
});
