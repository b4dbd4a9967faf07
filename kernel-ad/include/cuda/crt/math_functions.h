// Everything is in the header that is included before the file.
#pragma once
#include "../kad_cuda.h"
