import { expect, test } from 'vitest';
import { requireOptions } from './known-options.js';

test('a misspelt option is an error that names those there are', () => {
  expect(() => requireOptions('parquet', { colums: ['a'] })).toThrow(
    'parquet has no option "colums"; there are columns, where, unitBytes',
  );
  expect(() => requireOptions('csv', 4 as never)).toThrow('the options of csv are an object');
  expect(() => requireOptions('saveAsParquet', { overwite: true })).toThrow(
    'saveAsParquet has no option "overwite"; there are overwrite',
  );
  requireOptions('csv', { header: false, multiline: undefined });
});
