#include "engine/base/text.h"
