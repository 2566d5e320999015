"""Build or buy: which way to read a source fits a situation, by rules that each name the answer they follow.

It reads facts that come with the package, and asks nobody: no network, no database.
"""

from strandline.advice.advising import Advice as Advice
from strandline.advice.advising import advise as advise
from strandline.advice.answer import Answers as Answers
from strandline.advice.assumption import Assumptions as Assumptions
from strandline.advice.situation import Situation as Situation
from strandline.advice.situation import read as read
