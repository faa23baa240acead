// What the pages do beyond plain HTML. Each module can be left out; the pages work without any.

import { begin as refresh } from "./refresh.js";
import { begin as keys } from "./keys.js";

refresh();
keys();
