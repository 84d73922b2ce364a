"""Tables: rows of named columns with text, numbers, dates and gaps, from where they lie to what a net takes."""
