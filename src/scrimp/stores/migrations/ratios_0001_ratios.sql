-- What real usage taught about the tokenizers of models: tokens of their own for one of o200k_base.
-- centre and variance are of logarithms of ratios; turn grows with each change, so that the
-- smallest is the model that was heard of least recently.
CREATE TABLE ratios (
  model TEXT PRIMARY KEY,
  observations INTEGER NOT NULL,
  centre REAL NOT NULL,
  variance REAL NOT NULL,
  streak INTEGER NOT NULL,
  turn INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
