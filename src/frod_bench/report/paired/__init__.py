"""Two methods judged on the same evaluation rows: their difference, how sure it is, a verdict, and its power."""
