"""All rules that look at the data."""

from ._image_rules import IMAGE_RULES
from ._label_rules import LABEL_RULES
from ._row_rules import ROW_RULES
from ._rule import Rule
from ._scale_rules import SCALE_RULES
from ._table_rules import TABLE_RULES

DATA_RULES: tuple[Rule, ...] = (*TABLE_RULES, *SCALE_RULES, *ROW_RULES, *LABEL_RULES, *IMAGE_RULES)
