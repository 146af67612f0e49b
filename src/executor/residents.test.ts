import { expect, it } from 'vitest';
import { ResidentMap } from './residents.js';

it('keeps values until their scope, or one above it, is released; disposes of each once', () => {
  const residents = new ResidentMap();
  const disposed: string[] = [];
  const keep = (id: string, scope: string) => residents.set(id, scope, id, (value) => disposed.push(value));
  keep('a', 'app/job-1');
  keep('b', 'app/job-1/stage-0');
  keep('c', 'app/job-10');
  expect(residents.get('a')).toBe('a');
  residents.release('app/job-1');
  expect([residents.get('a'), residents.get('b'), residents.get('c')]).toEqual([undefined, undefined, 'c']);
  keep('c', 'app/job-11');
  expect(disposed).toEqual(['a', 'b', 'c']);
  residents.release('app');
  residents.release('app');
  expect(disposed).toEqual(['a', 'b', 'c', 'c']);
});
