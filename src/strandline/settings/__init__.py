"""Settings: what can be set, from where it is read, and what is wrong with it."""

from strandline.settings.own import Schemas as Schemas
from strandline.settings.own import Settings as Settings
