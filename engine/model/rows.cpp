#include "engine/model/rows.h"
