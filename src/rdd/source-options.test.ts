import { expect, test } from 'vitest';
import { requireSourceOptions } from './source-options.js';

test('a misspelt option is an error that names those there are', () => {
  expect(() => requireSourceOptions('parquet', { colums: ['a'] })).toThrow(
    'parquet has no option "colums"; there are columns, where, unitBytes',
  );
  expect(() => requireSourceOptions('csv', 4 as never)).toThrow('the options of csv are an object');
  requireSourceOptions('csv', { header: false, multiline: undefined });
});
